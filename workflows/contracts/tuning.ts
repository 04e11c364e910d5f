/**
 * The numbers that say how hard a run works, each declared once: unit, default, limits, reason. Flags,
 * `config.json`, the library, `docs/cli.md` and the inputs of runs follow from this table.
 */

export interface TuningSpec {
  readonly unit: 'units' | 'bytes' | 'documents' | 'files' | 'ms' | 'events';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** One sentence: what the number does. */
  readonly help: string;
  /** Why the default and the limits are what they are. */
  readonly reason: string;
}

const DAY_MS = 86_400_000;

export const TUNING = {
  window: {
    unit: 'units',
    default: 4,
    min: 1,
    max: 64,
    help: 'Units (batches of documents or files) in flight at once; can be changed while the run goes on.',
    reason: 'The limits of NDI Cloud are unknown; its own site makes four to six calls at once.',
  },
  zipBytes: {
    unit: 'bytes',
    default: 50_000_000,
    min: 1,
    max: 1_000_000_000,
    help: 'Files up to this size travel together in zips of up to this size; larger ones go alone.',
    reason: 'The clients’ own zip size, which the cloud’s extractor is known to cope with (contract §4.4).',
  },
  zipFiles: {
    unit: 'files',
    default: 2_000,
    min: 1,
    max: 10_000,
    help: 'Most files in one zip.',
    reason: 'One extraction job of the cloud has minutes; 2,000 files are known to pass.',
  },
  filesPerUnit: {
    unit: 'files',
    default: 256,
    min: 1,
    max: 10_000,
    help: 'Most files in one unit of files that move one by one.',
    reason: 'Enough to be worth an activity, few enough to be looked over again after a crash.',
  },
  fileBytesPerUnit: {
    unit: 'bytes',
    default: 1_000_000_000,
    min: 1,
    max: 100_000_000_000,
    help: 'Most bytes in one unit of files that move one by one; a larger file is a unit of its own.',
    reason: 'Some seconds to minutes of work between two entries of the history.',
  },
  documentsPerUnit: {
    unit: 'documents',
    default: 2_000,
    min: 1,
    max: 10_000,
    help: 'Most documents in one unit.',
    reason: 'One list of ids that the cloud’s own bulk download is used with (contract §4.4).',
  },
  documentBytesPerUnit: {
    unit: 'bytes',
    default: 20_000_000,
    min: 1,
    max: 200_000_000,
    help: 'Most bytes of documents in one unit of an upload.',
    reason: 'The import of one zip runs in a Lambda with 30 s.',
  },
  importQuietMs: {
    unit: 'ms',
    default: 60_000,
    min: 100,
    max: DAY_MS,
    help: 'An import that shows no new document for this long counts as having lost the rest.',
    reason: 'Imports are asynchronous, and no API reports their end (contract §2.5 E9).',
  },
  pollMinMs: {
    unit: 'ms',
    default: 100,
    min: 1,
    max: 600_000,
    help: 'First wait between two looks at work of the cloud; waits grow to `pollMaxMs`.',
    reason: 'Small zips are imported within a tenth of a second.',
  },
  pollMaxMs: {
    unit: 'ms',
    default: 5_000,
    min: 1,
    max: 600_000,
    help: 'Longest wait between two looks at work of the cloud.',
    reason: 'A large import takes minutes; a look is one cheap request.',
  },
  siteTimeoutMs: {
    unit: 'ms',
    default: 600_000,
    min: 1_000,
    max: DAY_MS,
    help: 'A computer that takes up no work for this long is reported as silent.',
    reason: 'A reboot takes minutes, and each report costs history.',
  },
  heartbeatTimeoutMs: {
    unit: 'ms',
    default: 20_000,
    min: 4_000,
    max: 100_000,
    help: 'An activity whose worker is silent for this long is given to another one.',
    reason:
      'Activities heartbeat every 2 s and with their bytes; a busy disk may hold one up. A killed worker costs its activities this long. The lease of the dataset runs out after 120 s.',
  },
  activityTimeoutMs: {
    unit: 'ms',
    default: DAY_MS,
    min: 60_000,
    max: 7 * DAY_MS,
    help: 'Longest time of one attempt of an activity.',
    reason: 'The largest file is 5 GB, and a day carries it at 60 kB/s.',
  },
  unitsPerExecution: {
    unit: 'units',
    default: 400,
    min: 1,
    max: 2_000,
    help: 'Units that one Temporal execution works off before the run continues as new.',
    reason: 'A unit adds about six events; Temporal suggests to continue as new at 4,096.',
  },
  parkedEventsPerExecution: {
    unit: 'events',
    default: 2_000,
    min: 1,
    max: 10_000,
    help: 'A run that waits continues as new when its history has more events than this.',
    reason: 'A run may wait for a person for weeks, and each look adds about twelve events.',
  },
} as const satisfies Record<string, TuningSpec>;

export type TuningKey = keyof typeof TUNING;

export const tuningKeys = Object.keys(TUNING) as TuningKey[];

/** Keys that inputs of release 0.1 lack. */
type NewKey =
  | 'filesPerUnit'
  | 'fileBytesPerUnit'
  | 'heartbeatTimeoutMs'
  | 'activityTimeoutMs'
  | 'parkedEventsPerExecution';

/** How hard a run works, in the units of `TUNING`. */
export type Tuning = { readonly [K in Exclude<TuningKey, NewKey>]: number } & {
  readonly [K in NewKey]?: number;
};

export const DEFAULT_TUNING: { readonly [K in TuningKey]: number } = Object.fromEntries(
  tuningKeys.map((key) => [key, TUNING[key].default]),
) as { readonly [K in TuningKey]: number };
