/** `ndi-courier schedule …` */
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import { option } from '../../options.ts';
import type { ScheduleOptions, ScheduleState } from '../../schedules.ts';
import { syncOptions } from '../../sync-options.ts';
import { formatTime, printable } from '../../view/format.ts';
import { facts, table } from '../../view/table.ts';
import { defineCommand, type Invocation, withCourier } from '../command.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { DATASET, jsonOptions, jsonShape, pick } from '../shared-options.ts';

/** A new schema for each option: what is said of an option is kept by its schema. */
const text = () => z.string().trim().min(1);

const timesShape = {
  at: option(text(), { help: 'Time of day: 02:00.', value: 'HH:MM', defaultText: 'none: it must be given' }),
  days: option(text().default('daily'), { help: 'daily, mon-fri, sat,sun.', value: 'DAYS' }),
  timezone: option(text().optional(), {
    help: 'The time is of this zone, in summer and in winter: Europe/Berlin.',
    value: 'TZ',
    defaultText: 'that of this computer',
  }),
  jitter: option(text().optional(), {
    help: 'A night begins up to so much later, so that not all begin at once: 15m.',
    value: 'SPAN',
    defaultText: 'none',
  }),
  catchUp: option(text().default('12h'), {
    help: 'A night that was missed, because the service was down, is made up for within this time.',
    value: 'SPAN',
  }),
  blackout: option(text().optional(), {
    help: 'Hours in which no night begins, made up for or not: 08:00-18:00.',
    value: 'FROM-TO',
    defaultText: 'none',
  }),
  fullOn: option(text().optional(), {
    help: 'Day on which the sync reads all of the cloud’s documents: sun.',
    value: 'DAY',
    defaultText: 'as --content says',
  }),
};

/** "Was last night right?" in a word or a sentence. */
function lastNight({ lastStatus, sentence, badInARow }: ScheduleState): string {
  if (lastStatus === null) return 'no night yet';
  if (lastStatus === 'done') return 'right';
  if (lastStatus === 'done-with-leftovers') return 'right, with conflicts or items left over';
  return `${lastStatus}, ${badInARow} in a row: ${sentence}`;
}

const show = ({ out }: Invocation, state: ScheduleState, json: boolean): ExitCode => {
  if (json) out.json(state);
  else
    out.print(
      facts([
        ['dataset', printable(state.reference)],
        ['folder', state.directory],
        ['nights', `${state.at} ${state.days}, ${state.timezone}${state.paused ? ' (paused)' : ''}`],
        ['next', state.nextAt === null ? 'none' : formatTime(state.nextAt)],
        ['last', state.lastAt === null ? undefined : formatTime(state.lastAt)],
        ['last night', lastNight(state)],
      ]),
    );
  return EXIT.done;
};

const set = defineCommand({
  name: 'set',
  summary: 'Sync a dataset every night; set again, it is replaced.',
  args: [DATASET],
  options: z.object({ ...timesShape, ...syncOptions.shape, ...jsonShape }).strict(),
  examples: [
    { line: 'ndi-courier schedule set ferret-17 --at 02:00', does: 'every night' },
    {
      line: 'ndi-courier schedule set ferret-17 --at 22:30 --days mon-fri --content quick --full-on fri',
      does: 'reads all of the cloud on Fridays',
    },
  ],
  run: async (invocation, [dataset], options, given) =>
    withCourier(invocation, async (courier) => {
      const times = pick(given, z.object(timesShape));
      const sync = pick(given, syncOptions);
      if (times.at === undefined) throw new CourierError('NDI_E_USAGE', { detail: 'Say when: --at 02:00.' });
      const asked = { ...times, ...sync, dir: dataset } as unknown as ScheduleOptions;
      return show(invocation, await courier.schedules.set(asked), options.json);
    }),
});

const list = defineCommand({
  name: 'list',
  summary: 'All schedules: whether last night was right, and when the next one is.',
  options: jsonOptions,
  run: async (invocation, _args, { json }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const schedules = await courier.schedules.list();
      if (json) out.json({ schedules });
      else if (schedules.length === 0) out.print('There are no schedules.');
      else {
        const rows = schedules.map((one) => [
          printable(one.reference),
          lastNight(one),
          one.lastAt === null ? '' : formatTime(one.lastAt),
          one.paused ? 'paused' : one.nextAt === null ? '' : formatTime(one.nextAt),
          one.directory,
        ]);
        out.print(table(['DATASET', 'LAST NIGHT', 'AT', 'NEXT', 'FOLDER'], rows));
      }
      return EXIT.done;
    }),
});

const showOne = defineCommand({
  name: 'show',
  summary: 'The schedule of one dataset.',
  args: [DATASET],
  options: jsonOptions,
  run: async (invocation, [dataset], { json }) =>
    withCourier(invocation, async (courier) => show(invocation, await courier.schedules.show(dataset), json)),
});

type Act = 'pause' | 'resume' | 'runNow' | 'remove';

const act = (name: string, verb: Act, summary: string, said: string) =>
  defineCommand({
    name,
    summary,
    args: [DATASET],
    options: jsonOptions,
    run: async (invocation, [dataset], { json }) =>
      withCourier(invocation, async (courier) => {
        await courier.schedules[verb](dataset);
        if (json) invocation.out.json({ directory: dataset, done: name });
        else invocation.out.print(`${said}: ${dataset}`);
        return EXIT.done;
      }),
  });

const backfill = defineCommand({
  name: 'backfill',
  summary: 'Make up for the nights between two times, one after the other.',
  args: [DATASET],
  options: z
    .object({
      from: option(text(), { help: 'ISO time.', value: 'TIME', defaultText: 'none: it must be given' }),
      to: option(text().optional(), { help: 'ISO time.', value: 'TIME', defaultText: 'now' }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dataset], { from, to, json }) =>
    withCourier(invocation, async (courier) => {
      const [start, end] = [new Date(from), to === undefined ? new Date() : new Date(to)];
      if (Number.isNaN(start.getTime()) || Number.isNaN(end.getTime()) || end <= start)
        throw new CourierError('NDI_E_USAGE', {
          detail: 'Give --from and --to as ISO times, the first one earlier.',
        });
      await courier.schedules.backfill(dataset, start, end);
      if (json) invocation.out.json({ directory: dataset, from: start, to: end });
      else
        invocation.out.print(`Nights from ${formatTime(start.toISOString())} on are made up for: ${dataset}`);
      return EXIT.done;
    }),
});

export const command = defineCommand({
  name: 'schedule',
  summary: 'Sync datasets every night, and see whether the nights went right.',
  subcommands: [
    set,
    list,
    showOne,
    act('pause', 'pause', 'No more nights until it is resumed.', 'Paused'),
    act('resume', 'resume', 'Nights go on.', 'Resumed'),
    act('run-now', 'runNow', 'A night at once.', 'Begun'),
    backfill,
    act('remove', 'remove', 'Forget the schedule; a sync at work goes on.', 'Removed'),
  ],
});
