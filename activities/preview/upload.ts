/** The preview of an upload. */
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { PreviewSteps } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { refuseHybrid } from '../upload/elsewhere.ts';
import { existingTarget, writableDataset } from '../upload/link.ts';
import { openSource } from '../upload/open.ts';
import { planForNothing, planUpload } from '../upload/plan.ts';
import { writePlan } from './plan-file.ts';

export async function previewUpload(
  scope: RunScope,
  input: UploadInput,
): ReturnType<PreviewSteps['previewTransfer']> {
  const target = targetOf(scope, input);
  let datasetId = '';
  if (target === undefined) await planForNothing(scope, input);
  else {
    const linked = await writableDataset(scope, target);
    datasetId = linked.cloudDatasetId;
    await planUpload({ ...scope, ref: { ...scope.ref, ...linked } }, input);
  }
  const { differences } = scope.ledger;
  return writePlan(scope, {
    datasetId,
    ndiDatasetId: input.datasetId,
    directory: input.datasetDir,
    differences: { documents: differences.counts('document'), files: differences.counts('file') },
  });
}

/** Undefined when the upload would create a cloud dataset. */
function targetOf({ deps, ledger }: RunScope, input: UploadInput): string | undefined {
  const reader = openSource(deps, input);
  try {
    const target = existingTarget(reader, ledger.dataset, input.target);
    if (target === undefined) refuseHybrid(reader);
    return target;
  } finally {
    reader.close();
  }
}
