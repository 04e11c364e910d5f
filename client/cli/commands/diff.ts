/** `ndi-courier diff DIR` */
import { z } from 'zod';
import { NO_DIFFERENCE, REASON_WORDS } from '../../../sync/sentences.ts';
import type { SyncReason } from '../../../sync/types.ts';
import type { DiffResult } from '../../../workflows/contracts/index.ts';
import { option } from '../../options.ts';
import { type PlanFile, readPlanFile, type SyncOptions } from '../../sync.ts';
import { syncOptions } from '../../sync-options.ts';
import { plural, printable } from '../../view/format.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { DATASET, jsonShape, pick } from '../shared-options.ts';

/** Reasons of the plan that are differences, with their words. */
const WORDS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(REASON_WORDS).filter(([reason]) => !NO_DIFFERENCE.has(reason as SyncReason)),
);

const shown = {
  names: option(z.coerce.number().int().min(0).max(1_000).default(5), {
    help: 'Names shown of each kind of difference.',
    value: 'N',
  }),
};

export const command = defineCommand({
  name: 'diff',
  summary: 'Say what is new, changed, deleted and equal on either side, and do nothing.',
  description: 'Ends with 0 when both sides are equal and with 3 when they differ.',
  args: [DATASET],
  options: z
    .object({
      content: syncOptions.shape.content,
      profile: syncOptions.shape.profile,
      ...shown,
      ...jsonShape,
    })
    .strict(),
  examples: [{ line: 'ndi-courier diff ~/data/ferret-17', does: 'one screen' }],
  run: async (invocation, [dataset], options, given) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const asked = pick(given, syncOptions) as Omit<SyncOptions, 'dir'>;
      const handle = await courier.diff({ ...asked, dir: dataset });
      const result = await handle.result();
      const plan = readPlanFile(result.planPath);
      const differences = plan.items.filter(({ reason }) => reason in WORDS);
      if (options.json) out.json({ workflowId: handle.workflowId, ...result, differences });
      else out.print(diffLines(result, plan, options.names).join('\n'));
      return differences.length > 0 ? EXIT.leftovers : EXIT.done;
    }),
});

function diffLines(result: DiffResult, plan: PlanFile, names: number): string[] {
  const lines: string[] = [];
  for (const kind of ['document', 'file'] as const) {
    const unchanged = kind === 'document' ? plan.unchanged.documents : plan.unchanged.files;
    lines.push(`${kind}s`, `  ${unchanged} equal on both sides`);
    const items = plan.items.filter((item) => item.kind === kind);
    for (const [reason, words] of Object.entries(WORDS)) {
      const some = items.filter((item) => item.reason === reason);
      if (some.length === 0) continue;
      lines.push(`  ${some.length} ${words}`);
      for (const { id, name } of some.slice(0, names)) lines.push(`    ${printable(name ?? '')} ${id}`);
      if (some.length > names && names > 0) lines.push(`    and ${some.length - names} more`);
    }
  }
  if (result.baseLost !== null) lines.push(`Not known which side changed: ${result.baseLost}`);
  if (result.content === 'quick') lines.push('Edits in the cloud were not looked for (--content full does).');
  lines.push(`The whole list (${plural(plan.items.length, 'item')}) is in ${result.planPath}`);
  return lines;
}
