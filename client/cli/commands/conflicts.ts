/** `ndi-courier conflicts …` */
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import { REASON_WORDS } from '../../../sync/sentences.ts';
import type { Conflict, ConflictCopies } from '../../inbox.ts';
import { accountShape, followOptions, option } from '../../options.ts';
import { differenceLines } from '../../view/conflict-lines.ts';
import { formatTime, plural, printable } from '../../view/format.ts';
import { facts, table } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { announce, follow } from '../follow.ts';
import { DATASET, jsonShape } from '../shared-options.ts';

const WORDS: Readonly<Record<string, string>> = REASON_WORDS;

const toJson = ({ conflict, id, kind, what, name, className, local, cloud, base, ...rest }: Conflict) => ({
  conflict,
  ndiId: id,
  kind: what,
  item: kind,
  name,
  className,
  local,
  cloud,
  base,
  foundAt: rest.foundAt,
  decision: rest.decision,
  decidedBy: rest.decidedBy,
  settledAt: rest.settledAt,
});

const list = defineCommand({
  name: 'list',
  summary: 'Documents that both sides changed and that wait for a decision.',
  args: [DATASET],
  options: z
    .object({
      all: option(z.boolean().default(false), { help: 'Also those that are settled.' }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dataset], { all, json }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const conflicts = await courier.inbox.list(dataset, all ? 'all' : 'open');
      if (json) {
        out.json({ conflicts: conflicts.map(toJson) });
        return EXIT.done;
      }
      const rows = conflicts.map((one) => [
        one.conflict,
        one.className ?? one.kind,
        printable(one.name ?? ''),
        WORDS[one.what] ?? one.what,
        formatTime(one.foundAt),
        one.settledAt !== null ? 'settled' : (one.decision ?? ''),
      ]);
      if (rows.length > 0) out.print(table(['CONFLICT', 'CLASS', 'NAME', 'WHAT', 'SINCE', 'DECISION'], rows));
      out.print(
        rows.length === 0
          ? 'There are no conflicts.'
          : `${plural(rows.length, 'conflict')}. Look at one with: ndi-courier conflicts show ${dataset} ${rows[0]?.[0]}`,
      );
      return EXIT.done;
    }),
});

const show = defineCommand({
  name: 'show',
  summary: 'One conflict: whose copy says what, field by field.',
  args: [DATASET, { name: '<conflict>', help: 'The name that `conflicts list` shows.' }],
  options: z.object({ ...accountShape, ...jsonShape }).strict(),
  run: async (invocation, [dataset, name], { json, profile }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const copies = await courier.inbox.show(dataset, name, profile === undefined ? {} : { profile });
      if (json) out.json({ ...toJson(copies.conflict), copies });
      else out.print(conflictLines(copies, dataset).join('\n'));
      return EXIT.done;
    }),
});

function conflictLines(copies: ConflictCopies, dataset: string): string[] {
  const { conflict } = copies;
  return [
    facts([
      ['conflict', conflict.conflict],
      ['document', conflict.id],
      ['class', conflict.className ?? undefined],
      ['name', printable(conflict.name ?? '') || undefined],
      ['what', WORDS[conflict.what] ?? conflict.what],
      ['since', formatTime(conflict.foundAt)],
    ]),
    '',
    ...differenceLines(copies),
    '',
    `Decide with: ndi-courier conflicts resolve ${dataset} ${conflict.conflict} --take local|cloud|both|merged`,
  ];
}

const resolve = defineCommand({
  name: 'resolve',
  summary: 'Decide conflicts; a run carries the decision out.',
  args: [DATASET, { name: '[conflicts...]', help: 'Names that `conflicts list` shows.' }],
  options: z
    .object({
      take: option(z.enum(['local', 'cloud', 'both', 'merged']), {
        help: 'Whose copy counts; both keeps the local one under a new id; merged joins them field by field.',
        value: 'WHOSE',
        defaultText: 'none: it must be given',
      }),
      all: option(z.boolean().default(false), { help: 'All open conflicts.' }),
      ...accountShape,
      ...followOptions.shape,
    })
    .strict(),
  examples: [
    { line: 'ndi-courier conflicts resolve ferret-17 3f2a91c07d --take local', does: 'the copy here counts' },
    {
      line: 'ndi-courier conflicts resolve ferret-17 --all --take merged',
      does: 'where fields do not collide',
    },
  ],
  run: async (invocation, [dataset, names], options) =>
    withCourier(invocation, async (courier) => {
      if (options.all === names.length > 0)
        throw new CourierError('NDI_E_USAGE', { detail: 'Name the conflicts, or give --all.' });
      const { profile } = options;
      const handle = await courier.inbox.resolve(
        { dir: dataset, ...(profile === undefined ? {} : { profile }) },
        options.all ? 'all' : names,
        options.take,
      );
      await announce(courier, handle, invocation);
      return follow(handle, invocation, options);
    }),
});

export const command = defineCommand({
  name: 'conflicts',
  summary: 'See and decide what both sides changed.',
  subcommands: [list, show, resolve],
});
