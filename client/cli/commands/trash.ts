/** `ndi-courier trash …` */
import { z } from 'zod';
import { accountShape, option } from '../../options.ts';
import { formatTime } from '../../view/format.ts';
import { table } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { DATASET, jsonShape } from '../shared-options.ts';

const list = defineCommand({
  name: 'list',
  summary: 'What syncs overwrote or deleted, on either side; kept for 30 days.',
  args: [DATASET],
  options: z
    .object({
      limit: option(z.coerce.number().int().min(1).max(1_000_000).default(50), {
        help: 'Most entries shown.',
        value: 'N',
      }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dataset], { limit, json }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const entries = await courier.inbox.trash(dataset);
      if (json) {
        out.json({ entries: entries.map(({ body, ...entry }) => entry) });
        return EXIT.done;
      }
      const rows = entries
        .slice(0, limit)
        .map(({ at, side, why, ndiId, name }) => [
          formatTime(at),
          side === 'local' ? 'here' : 'cloud',
          why,
          ndiId,
          name,
        ]);
      if (rows.length > 0) out.print(table(['WHEN', 'SIDE', 'WHY', 'DOCUMENT', 'NAME'], rows));
      else out.print('The trash is empty.');
      if (entries.length > limit) out.note(`There are more; --limit shows more than ${limit}.`);
      return EXIT.done;
    }),
});

const restore = defineCommand({
  name: 'restore',
  summary: 'Bring a document back to the side that lost it.',
  description:
    'The cloud takes no deletion back: there the document is added again, and the new cloud id is said. The next sync ' +
    'brings it to the other side.',
  args: [DATASET, { name: '<name>', help: 'The name that `trash list` shows.' }],
  options: z.object({ ...accountShape, ...jsonShape }).strict(),
  run: async (invocation, [dataset, name], { json, profile }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const back = await courier.inbox.restore(dataset, name, profile === undefined ? {} : { profile });
      const where = back.side === 'local' ? 'here' : `in the cloud, as ${back.cloudId}`;
      if (json) out.json(back);
      else out.print(`${back.ndiId} is ${back.outcome === 'already' ? 'there already' : 'back'}, ${where}.`);
      return EXIT.done;
    }),
});

export const command = defineCommand({
  name: 'trash',
  summary: 'See and bring back what syncs overwrote or deleted.',
  subcommands: [list, restore],
});
