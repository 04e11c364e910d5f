/** Nightly syncs on Temporal Schedules: set, look, pause, remove; reconciled from the configuration file. */
import { resolve } from 'node:path';
import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleSpec,
} from '@temporalio/client';
import { CourierError } from '../errors/index.ts';
import { DATASET_FACTS } from '../ledger/fact-keys.ts';
import { CONTROL_QUEUE, type NightInput, type NightStatus } from '../workflows/contracts/index.ts';
import { workflowIdOf } from '../workflows/operations.ts';
import type { Context } from './context.ts';
import { identityOf } from './datasets.ts';
import { withLedger } from './inbox.ts';
import { parseBlackout, parseDay, parseDays, parseSpan, parseTime, parseTimezone } from './schedule-times.ts';
import { type SyncOptions, syncInputOf } from './sync.ts';

export interface ScheduleOptions extends SyncOptions {
  /** `HH:MM`, 24 hours. */
  readonly at: string;
  /** `mon-fri`, `sat,sun`, `daily`. Default: daily. */
  readonly days?: string;
  /** IANA name. Default: that of this computer. */
  readonly timezone?: string;
  /** A night begins up to so much later: `15m`. Default: none. */
  readonly jitter?: string;
  /** A night that was missed is made up for within this time: `12h`. */
  readonly catchUp?: string;
  /** Hours in which no night begins: `08:00-18:00`. */
  readonly blackout?: string;
  /** Day on which the sync reads all of the cloud's documents: `sun`. */
  readonly fullOn?: string;
}

export interface ScheduleState {
  readonly directory: string;
  readonly reference: string;
  readonly at: string;
  readonly days: string;
  readonly timezone: string;
  readonly paused: boolean;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly lastStatus: NightStatus | null;
  /** What was wrong with the last night; empty for a good one. */
  readonly sentence: string;
  readonly badInARow: number;
}

export interface Schedules {
  /** Sets the schedule of a dataset; done again, it replaces it. */
  set(options: ScheduleOptions): Promise<ScheduleState>;
  list(): Promise<ScheduleState[]>;
  /** @throws NDI_E_NO_SCHEDULE, as all that follow */
  show(dir: string): Promise<ScheduleState>;
  pause(dir: string): Promise<void>;
  resume(dir: string): Promise<void>;
  runNow(dir: string): Promise<void>;
  /** Makes up for nights between two times, one after the other. */
  backfill(dir: string, from: Date, to: Date): Promise<void>;
  remove(dir: string): Promise<void>;
  /** Makes the schedules those of `schedules` in config.json; others that people set stay. Returns what changed. */
  reconcile(wanted: Readonly<Record<string, unknown>>): Promise<string[]>;
}

const PREFIX = 'night/';
/** Well before the next night, so that nights never overlap. */
const PATIENCE_MS = 20 * 3_600_000;
const CATCH_UP = '12h';

export function createSchedules(context: Context): Schedules {
  const connected = async (): Promise<Client> => (await context.connect()).client;
  const idOf = async (dir: string): Promise<string> => {
    const site = await context.service.siteId();
    return workflowIdOf('night', { ndiDatasetId: identityOf(resolve(dir)).datasetId, site });
  };
  const on = async <T>(
    dir: string,
    use: (handle: ReturnType<Client['schedule']['getHandle']>) => Promise<T>,
  ): Promise<T> => {
    const id = await idOf(dir);
    const client = await connected();
    try {
      return await use(client.schedule.getHandle(id));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      throw new CourierError('NDI_E_NO_SCHEDULE', { detail: resolve(dir) });
    }
  };
  const set = async (options: ScheduleOptions, origin = 'set'): Promise<ScheduleState> => {
    const wanted = await scheduleOf(context, options);
    const client = await connected();
    const memo = { ...wanted.memo, origin };
    try {
      await client.schedule.create({ ...wanted, memo });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      // Its memo cannot be changed: another one takes its place.
      await client.schedule.getHandle(wanted.scheduleId).delete();
      await client.schedule.create({ ...wanted, memo });
    }
    return stateOf(context, await client.schedule.getHandle(wanted.scheduleId).describe());
  };
  const all = async (): Promise<ScheduleDescription[]> => {
    const client = await connected();
    const found: ScheduleDescription[] = [];
    for await (const { scheduleId } of client.schedule.list())
      if (scheduleId.startsWith(PREFIX)) found.push(await client.schedule.getHandle(scheduleId).describe());
    return found;
  };
  return {
    set,
    list: async () => Promise.all((await all()).map((one) => stateOf(context, one))),
    show: (dir) => on(dir, async (handle) => stateOf(context, await handle.describe())),
    pause: (dir) => on(dir, (handle) => handle.pause()),
    resume: (dir) => on(dir, (handle) => handle.unpause()),
    runNow: (dir) => on(dir, (handle) => handle.trigger(ScheduleOverlapPolicy.BUFFER_ONE)),
    backfill: (dir, start, end) =>
      on(dir, (handle) => handle.backfill({ start, end, overlap: ScheduleOverlapPolicy.BUFFER_ALL })),
    remove: (dir) => on(dir, (handle) => handle.delete()),
    reconcile: (wanted) => reconcile(wanted, { set, all, connected }),
  };
}

interface Parts {
  set(options: ScheduleOptions, origin: string): Promise<ScheduleState>;
  all(): Promise<ScheduleDescription[]>;
  connected(): Promise<Client>;
}

async function reconcile(
  wanted: Readonly<Record<string, unknown>>,
  { set, all, connected }: Parts,
): Promise<string[]> {
  const changed: string[] = [];
  const kept = new Set<string>();
  for (const [name, options] of Object.entries(wanted)) {
    const state = await set(options as ScheduleOptions, `config ${name}`);
    kept.add(`config ${name}`);
    changed.push(`${state.directory}: ${state.at} ${state.days} ${state.timezone}`);
  }
  const client = await connected();
  for (const { scheduleId, memo } of await all()) {
    const origin = String(memo?.origin ?? '');
    if (!origin.startsWith('config ') || kept.has(origin)) continue;
    await client.schedule.getHandle(scheduleId).delete();
    changed.push(`${memo?.directory}: removed`);
  }
  return changed;
}

async function scheduleOf(context: Context, options: ScheduleOptions) {
  const { at, days = 'daily', timezone, jitter, catchUp = CATCH_UP, blackout, fullOn, ...sync } = options;
  const { hour, minute } = parseTime(at);
  const zone = parseTimezone(timezone);
  const spec: ScheduleSpec = {
    calendars: [{ hour, minute, dayOfWeek: [...parseDays(days)] }],
    timezone: zone,
    ...(jitter === undefined ? {} : { jitter: parseSpan('--jitter', jitter) }),
  };
  const input = await syncInputOf(context, sync);
  const night: NightInput = {
    site: input.site,
    cloud: input.cloud,
    tuning: input.tuning,
    sync: input,
    timezone: zone,
    blackout: blackout === undefined ? null : parseBlackout(blackout),
    fullOn: fullOn === undefined ? null : parseDay(fullOn),
    patienceMs: PATIENCE_MS,
  };
  const { site, ndiDatasetId, datasetDir } = input;
  const id = workflowIdOf('night', { ndiDatasetId, site });
  const { reference } = identityOf(datasetDir);
  return {
    scheduleId: id,
    spec,
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'nightlySync',
      workflowId: id,
      taskQueue: CONTROL_QUEUE,
      args: [night],
      memo: { reference, directory: datasetDir },
    },
    policies: {
      overlap: ScheduleOverlapPolicy.SKIP,
      catchupWindow: parseSpan('--catch-up', catchUp),
    },
    memo: { directory: datasetDir, reference, ndiDatasetId, at, days, timezone: zone },
  };
}

async function stateOf(context: Context, { memo, state, info }: ScheduleDescription): Promise<ScheduleState> {
  const text = (key: string): string => String(memo?.[key] ?? '');
  const directory = text('directory');
  const nights = await nightsOf(context, directory);
  return {
    directory,
    reference: text('reference'),
    at: text('at'),
    days: text('days'),
    timezone: text('timezone'),
    paused: state.paused,
    nextAt: state.paused ? null : (info.nextActionTimes[0]?.toISOString() ?? null),
    lastAt: nights?.lastAt ?? null,
    lastStatus: nights?.lastStatus ?? null,
    sentence: nights?.sentence ?? '',
    badInARow: nights?.badInARow ?? 0,
  };
}

/** Nothing for a folder that is not on this computer, or is gone. */
async function nightsOf(context: Context, directory: string) {
  try {
    return await withLedger(context, directory, ({ facts }) => facts.get(DATASET_FACTS.nights));
  } catch {
    return undefined;
  }
}
