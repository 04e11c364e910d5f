/** `--dry-run`: shows what a run would do. */
import { readFileSync } from 'node:fs';
import type { PreviewResult } from '../../workflows/contracts/index.ts';
import type { RunHandle } from '../run-handle.ts';
import { formatBytes, printable } from '../view/format.ts';
import { planLines } from '../view/progress-lines.ts';
import { table } from '../view/table.ts';
import type { Invocation } from './command.ts';
import { EXIT, type ExitCode } from './exit.ts';

interface PlanRow {
  readonly id?: string;
  readonly uid?: string;
  readonly action: string;
  readonly sizeBytes: number;
  readonly name?: string | null;
}

/** The plan by name, as the site wrote it; undefined when the site is another computer. */
function planFile(path: string): Record<'documents' | 'files', PlanRow[]> | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<'documents' | 'files', PlanRow[]>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Waits for the plan and prints it; with `json` as one object, with `list` by name and size. Throws what the
 * run failed of.
 */
export async function showPreview(
  handle: RunHandle<PreviewResult>,
  { out }: Invocation,
  options: { readonly json: boolean; readonly list: boolean },
): Promise<ExitCode> {
  const plan = await handle.result();
  const { workflowId, runId } = handle;
  if (options.json) {
    out.json({ workflowId, runId, ...plan, plan: planFile(plan.listPath) ?? null });
    return EXIT.done;
  }
  out.print(planLines(plan).join('\n'));
  if (!options.list) return EXIT.done;
  const lists = planFile(plan.listPath);
  if (lists === undefined) {
    out.note(`The plan by name is on the computer that holds the dataset: ${plan.listPath}`);
    return EXIT.done;
  }
  const rows = (['documents', 'files'] as const).flatMap((kind) =>
    lists[kind].map(({ id, uid, action, sizeBytes, name }) => [
      action,
      kind.slice(0, -1),
      printable(id ?? uid ?? ''),
      sizeBytes > 0 ? formatBytes(sizeBytes) : '',
      printable(name ?? ''),
    ]),
  );
  if (rows.length > 0) out.print(table(['ACTION', 'KIND', 'ID', 'SIZE', 'NAME'], rows));
  return EXIT.done;
}
