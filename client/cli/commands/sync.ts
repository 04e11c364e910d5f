/** `ndi-courier sync DIR` */
import { z } from 'zod';
import { followOptions, option } from '../../options.ts';
import type { SyncOptions } from '../../sync.ts';
import { syncOptions } from '../../sync-options.ts';
import { defineCommand, withCourier } from '../command.ts';
import { announce, follow } from '../follow.ts';
import { DATASET, pick } from '../shared-options.ts';

const planShape = {
  dryRun: option(z.boolean().default(false), {
    help: 'Plan, say what would be done, and do nothing.',
  }),
  plan: option(z.string().trim().min(1).optional(), {
    help: 'Write the plan into this file, for `ndi-courier plan show` and `plan apply`.',
    value: 'FILE',
    defaultText: 'a file in the state folder, named at the end',
  }),
};

export const command = defineCommand({
  name: 'sync',
  summary: 'Bring a dataset folder and its cloud dataset to the same state.',
  description:
    'What one side added or changed goes to the other. What both changed waits in the inbox of conflicts and holds ' +
    'nothing else up. Deletions are listed, and passed on with --deletes. What is overwritten or deleted lies in the ' +
    'trash for 30 days. Starting a sync that is already going on shows it.',
  args: [DATASET],
  options: z.object({ ...syncOptions.shape, ...planShape, ...followOptions.shape }).strict(),
  examples: [
    { line: 'ndi-courier sync ~/data/ferret-17', does: 'both ways' },
    { line: 'ndi-courier sync ~/data/ferret-17 --dry-run', does: 'only says what it would do' },
    {
      line: 'ndi-courier sync ~/data/ferret-17 --mode mirror-from-cloud',
      does: 'makes the folder as the cloud is',
    },
    {
      line: 'ndi-courier sync ~/data/ferret-17 --deletes --max-delete 5%',
      does: 'passes deletions on; asks for more than 5 %',
    },
  ],
  run: async (invocation, [dataset], options, given) =>
    withCourier(invocation, async (courier) => {
      const asked: SyncOptions = {
        ...(pick(given, syncOptions) as Omit<SyncOptions, 'dir'>),
        dir: dataset,
        ...(options.plan === undefined ? {} : { planFile: options.plan }),
      };
      const handle = options.dryRun ? await courier.diff(asked) : await courier.sync(asked);
      await announce(courier, handle, invocation);
      return follow(handle, invocation, options);
    }),
});
