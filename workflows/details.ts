/** The run as Markdown, for Temporal's own pages. */
import type { Counts, RunProgress } from './contracts.ts';

const row = (name: string, counts: Counts): string =>
  `| ${name} | ${counts.total} | ${counts.transferred} | ${counts.skipped} | ${counts.failed} |`;

/** At most 20,000 bytes are allowed; this stays under one thousand. */
export function describeProgress(progress: RunProgress): string {
  const lines = [
    `**${progress.phase}** · ${progress.units.done} of ${progress.units.total} units, ${progress.units.inFlight} in flight · ${progress.retries} retries`,
    '',
    '| | total | transferred | skipped | failed |',
    '| --- | --- | --- | --- | --- |',
    row('documents', progress.documents),
    row('files', progress.files),
    '',
    `${megabytes(progress.bytes.transferred)} of ${megabytes(progress.bytes.total)} MB${pace(progress)}`,
  ];
  const waiting = progress.waitingFor;
  if (waiting !== null)
    lines.unshift(`**Waiting** (${waiting.code}): ${waiting.sentence} ${waiting.nextStep}`, '');
  return lines.join('\n');
}

function pace({ bytesPerSecond, etaMs }: RunProgress): string {
  const rate = bytesPerSecond === null ? '' : ` · ${megabytes(bytesPerSecond)} MB/s`;
  return etaMs === null ? rate : `${rate} · about ${Math.ceil(etaMs / 60_000)} min left`;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
