/** `ndi-courier plan …` */
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import { accountShape, followOptions, option } from '../../options.ts';
import { readPlanFile } from '../../sync.ts';
import { plural, printable } from '../../view/format.ts';
import { table } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { announce, follow } from '../follow.ts';
import { jsonShape } from '../shared-options.ts';

const FILE = {
  name: '<file>',
  help: 'A plan that `ndi-courier sync DIR --dry-run --plan FILE` wrote.',
} as const;

const show = defineCommand({
  name: 'show',
  summary: 'What a plan would do, item by item.',
  args: [FILE],
  options: z
    .object({
      limit: option(z.coerce.number().int().min(1).max(1_000_000).default(100), {
        help: 'Most items shown.',
        value: 'N',
      }),
      ...jsonShape,
    })
    .strict(),
  run: async ({ out }, [file], { limit, json }) => {
    const plan = readPlanFile(file);
    if (json) {
      out.json(plan);
      return EXIT.done;
    }
    const rows = plan.items
      .slice(0, limit)
      .map(({ action, reason, kind, name, id }) => [action, reason, kind, printable(name ?? ''), id]);
    if (rows.length > 0) out.print(table(['ACTION', 'WHY', 'WHAT', 'NAME', 'ID'], rows));
    out.print(
      `${plural(plan.items.length, 'item')} for ${plan.directory}; ${plan.unchanged.documents} documents and ${plan.unchanged.files} files are unchanged.`,
    );
    if (plan.items.length > limit) out.note(`There are more; --limit shows more than ${limit}.`);
    return EXIT.done;
  },
});

const apply = defineCommand({
  name: 'apply',
  summary: 'Do exactly what a plan says, or nothing when an item has moved since.',
  args: [FILE],
  options: z.object({ ...accountShape, ...followOptions.shape }).strict(),
  run: async (invocation, [file], options) =>
    withCourier(invocation, async (courier) => {
      const plan = readPlanFile(file);
      if (plan.items.length === 0) throw new CourierError('NDI_E_PLAN_FILE', { detail: 'It has no items.' });
      const { profile } = options;
      const handle = await courier.applyPlan(file, profile === undefined ? {} : { profile });
      await announce(courier, handle, invocation);
      return follow(handle, invocation, options);
    }),
});

export const command = defineCommand({
  name: 'plan',
  summary: 'Look at the plan of a sync, and carry it out.',
  subcommands: [show, apply],
});
