/** Starting `transferFiles`: binaries of a dataset that is here come or go. */
import { resolve } from 'node:path';
import type { FilesAction, FilesInput, FilesResult, Tuning } from '../workflows/contracts/index.ts';
import { OPERATIONS, workflowIdOf } from '../workflows/operations.ts';
import type { AccountChoice } from './accounts.ts';
import { begin, type Context, sources } from './context.ts';
import { identityOf } from './datasets.ts';
import { filesOptions, resolveOptions, type SelectionOptions, selectionOf, tuningOf } from './options.ts';
import type { RunHandle } from './run-handle.ts';

export interface FilesOptions extends Pick<AccountChoice, 'profile'>, SelectionOptions, Partial<Tuning> {
  /** The dataset folder. */
  readonly dir: string;
  /** `get` brings binaries here; `drop` lets go of those that the cloud has with the same bytes. */
  readonly action: FilesAction;
  readonly tuning?: Partial<Tuning>;
}

/** Checks, then starts; attaches to the run that is already going on for this dataset. */
export async function transferFiles(context: Context, asked: FilesOptions): Promise<RunHandle<FilesResult>> {
  const { dir, action, ...given } = asked;
  const settings = resolveOptions(filesOptions, given, await sources(context, 'files'));
  const datasetDir = resolve(dir);
  const identity = identityOf(datasetDir);
  const account = await context.accounts.open(settings);
  await account.client.close();
  const site = await context.service.siteId();
  const ndiDatasetId = identity.datasetId;
  const input: FilesInput = {
    site,
    cloud: account.ref,
    datasetDir,
    ndiDatasetId,
    action,
    selection: selectionOf(settings),
    tuning: tuningOf(settings),
  };
  return begin(context, {
    operation: 'files',
    workflowId: workflowIdOf('files', { ndiDatasetId, site }),
    input,
    summary: `${OPERATIONS.files.title} ${identity.reference} on ${site}: ${action}`,
    details: `${action} in \`${datasetDir}\`.`,
    ndiDatasetId,
    cloudDatasetId: identity.remotes[0]?.cloudDatasetId ?? null,
    reference: identity.reference,
    cloudName: null,
    directory: datasetDir,
  });
}
