/** The result of a sync, or its plan, in lines for a person. */
import type { DiffResult, SyncCounts, SyncResult } from '../../workflows/contracts/index.ts';
import { plural } from './format.ts';

const WORDS = {
  uploaded: 'uploaded',
  downloaded: 'downloaded',
  updatedCloud: 'updated in the cloud',
  updatedLocal: 'updated here',
  deletedCloud: 'deleted in the cloud',
  deletedLocal: 'deleted here',
  conflicts: 'in conflict',
  failed: 'failed',
  unchanged: 'unchanged',
} as const satisfies Record<keyof SyncCounts, string>;

type Shown = SyncResult | DiffResult;

export function syncLines(result: Shown): string[] {
  const lines = [
    headline(result),
    countsLine('documents', result.documents),
    countsLine('files', result.files),
  ];
  if (result.baseLost !== null)
    lines.push(`Nothing was deleted, and both sides were compared anew: ${result.baseLost}`);
  lines.push(...leftLines(result));
  if (result.content === 'quick' && result.mode !== 'upload-new')
    lines.push('Edits in the cloud were not looked for (--content full does).');
  lines.push(
    `cloud id   ${result.datasetId}`,
    `folder     ${result.directory}`,
    `plan       ${result.planPath}`,
  );
  if (result.reportPath !== '') lines.push(`report     ${result.reportPath}`);
  return lines;
}

function headline({ status, problemCount, documents, files }: Shown): string {
  if (status === 'planned') return 'This is what a sync would do. Nothing was written.';
  if (status === 'done') return 'The sync is done: both sides are as they should be.';
  const conflicts = documents.conflicts + files.conflicts;
  const parts = [
    ...(conflicts > 0 ? [plural(conflicts, 'conflict')] : []),
    ...(problemCount > 0 ? [plural(problemCount, 'problem')] : []),
  ];
  return `The sync is done${parts.length === 0 ? ', but for what is listed below' : `, and left ${parts.join(' and ')}`}.`;
}

function countsLine(what: string, counts: SyncCounts): string {
  const parts = (Object.keys(WORDS) as (keyof SyncCounts)[])
    .filter((key) => counts[key] > 0)
    .map((key) => `${counts[key]} ${WORDS[key]}`);
  return `${what.padEnd(10)} ${parts.length === 0 ? 'none' : parts.join(', ')}`;
}

/** Differences that were seen and left, each with the step that would settle it. */
function leftLines({ listed, documents, files, notApproved, directory, status }: Shown): string[] {
  const lines: string[] = [];
  const deleted = listed.deletedHere + listed.deletedThere;
  if (deleted > 0)
    lines.push(
      `${plural(deleted, 'deletion')} were not passed on (${listed.deletedHere} here, ${listed.deletedThere} in the cloud); --deletes does.`,
    );
  if (listed.other > 0)
    lines.push(`${plural(listed.other, 'difference')} that this mode leaves as they are.`);
  if (documents.conflicts + files.conflicts > 0)
    lines.push(`See the conflicts with: ndi-courier conflicts list ${directory}`);
  if (notApproved > 0)
    lines.push(
      status === 'planned'
        ? `${plural(notApproved, 'change')} would wait for an approval.`
        : `${plural(notApproved, 'change')} were not approved and not made.`,
    );
  return lines;
}
