/** The details page of a run in Temporal's Web UI, as Markdown. */
import type { Counts, RunProgress } from '../contracts/common.ts';
import { operationSpec, phaseText } from '../operations.ts';

/** At most 20,000 bytes are allowed; this stays under two thousand. */
export function describeProgress(progress: RunProgress): string {
  const { units, retries, bytes, waitingFor } = progress;
  const words = operationSpec(progress.operation)?.counters ?? {};
  const lines = [
    `**${phaseText(progress.operation, progress.phase)}** · ${units.done} of ${units.total} units, ${units.inFlight} in flight · ${retries} retries`,
    '',
    '| | total | transferred | skipped | failed |',
    '| --- | --- | --- | --- | --- |',
    ...Object.entries(progress.counts).map(([counter, counts]) => row(words[counter] ?? counter, counts)),
    '',
    `${megabytes(bytes.transferred)} of ${megabytes(bytes.total)} MB${rate(progress)}`,
  ];
  if (waitingFor !== null) {
    lines.unshift(`**Waiting** (${waitingFor.code}): ${waitingFor.sentence} ${waitingFor.nextStep}`, '');
  }
  return lines.join('\n');
}

const row = (name: string, counts: Counts): string =>
  `| ${name} | ${counts.total} | ${counts.transferred} | ${counts.skipped} | ${counts.failed} |`;

function rate({ bytesPerSecond, etaMs }: RunProgress): string {
  const pace = bytesPerSecond === null ? '' : ` · ${megabytes(bytesPerSecond)} MB/s`;
  return etaMs === null ? pace : `${pace} · about ${Math.ceil(etaMs / 60_000)} min left`;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
