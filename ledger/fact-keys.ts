/**
 * Facts: small typed values of a run, or of a dataset, that must be on disk before the world is touched. Each
 * is declared here once, with the text that the database keeps. Keys and texts are those of ledgers in use:
 * they never change.
 */
import { z } from 'zod';

export interface Fact<Value> {
  readonly key: string;
  read(text: string): Value;
  write(value: Value): string;
}

const text = (key: string): Fact<string> => ({ key, read: (value) => value, write: (value) => value });

/** Kept as `yes` or anything else. */
const flag = (key: string): Fact<boolean> => ({
  key,
  read: (value) => value === 'yes',
  write: (value) => (value ? 'yes' : 'no'),
});

const number = (key: string): Fact<number> => ({ key, read: Number, write: String });

const json = <Schema extends z.ZodType>(key: string, schema: Schema): Fact<z.output<Schema>> => ({
  key,
  read: (value) => schema.parse(JSON.parse(value)),
  write: (value) => JSON.stringify(value),
});

/** A cloud dataset from before the request that creates it until the run that created it has ended well. */
const creation = z.object({
  markedName: z.string(),
  baseUrl: z.string(),
  organizationId: z.string(),
  /** The run that began the creation. */
  runKey: z.string(),
  /** Null while nobody knows whether the cloud dataset exists. */
  id: z.string().nullable(),
  createdAt: z.string().nullable(),
  /** The dataset is linked: from now on a creation means another cloud dataset. */
  linked: z.boolean(),
});

/** The link of a dataset whose folder cannot be written. */
const keptLink = z.object({
  cloudDatasetId: z.string(),
  /**
   * The links that the folder holds. When it holds others, somebody has written it since, and those count.
   */
  insteadOf: z.string(),
});

/** The last change that a poll saw. */
const quiet = z.object({ marker: z.string(), sinceMs: z.number() });

/** The write lock of the cloud dataset, as the run knows it. */
const writeLock = z.object({
  isOffered: z.boolean(),
  /** The run took it, and releases it. */
  isOurs: z.boolean(),
  untilMs: z.number(),
  cloudDatasetId: z.string(),
  cloud: z.object({
    baseUrl: z.string(),
    profile: z.string().nullable(),
    organizationId: z.string().nullable(),
  }),
});

/** Items of a sync that need nothing. */
const unchanged = z.object({ documents: z.number(), files: z.number() });

/** Which file the database of the folder is, and how often it was changed (`ndi/dataset/stamp.ts`). */
const stamp = z.object({
  inode: z.string(),
  changes: z.number(),
  sizeBytes: z.number(),
  mtimeMs: z.number(),
  walBytes: z.number(),
});

/** What both sides were when they were last found, or made, equal. */
const generation = z.object({
  cloudDatasetId: z.string(),
  /** The database of the folder: another file, or an older one, is not what the base is of. */
  stamp,
  /** When the cloud's record was last changed, as the cloud says; null when nobody asked. */
  cloudUpdatedAt: z.string().nullable(),
  /** The rules of the sync; null when there were none, or no sync. */
  rules: z.string().nullable(),
  /** The sync that saw both sides last; null when it was another run. */
  syncKey: z.string().nullable(),
});

/** Why a plan waits for an approval, and how much of it. */
const gate = z.object({
  reasons: z.array(z.enum(['over-the-cap', 'empty-side', 'everything-changed', 'changed-rules'])),
  deletesLocal: z.number(),
  deletesCloud: z.number(),
  updates: z.number(),
});

/** How the nights of a dataset went. */
const nights = z.object({
  lastAt: z.string(),
  lastStatus: z.enum(['done', 'done-with-leftovers', 'waiting', 'failed']),
  sentence: z.string(),
  syncWorkflowId: z.string(),
  badInARow: z.number(),
  alerted: z.boolean(),
});

const answer = z.object({ approved: z.boolean(), by: z.string() });

/** The work that was begun on a unit, and how often its worker ended meanwhile. */
const unitNote = z.object({
  /** The process that works on it, the start of its computer, and the item that it works on alone. */
  begun: z.object({ worker: z.string(), boot: z.string(), item: z.string().nullable() }).nullable(),
  deaths: z.number(),
  items: z.record(z.string(), z.number()),
});

const grace = z.object({ rounds: z.number(), sinceMs: z.number() });

/** Facts of one run. */
export const RUN_FACTS = {
  /** Fence of the lease when the run took it. */
  fence: number('fence'),
  cloudDatasetId: text('cloudDatasetId'),
  /** When this run created its cloud dataset, ISO time. */
  createdAt: text('createdAt'),
  /** Since when the poll of this name has seen no change. */
  quiet: (name: string) => json(`quiet: ${name}`, quiet),
  writeLock: json('write lock', writeLock),
  documentsSerially: flag('documentsSerially'),
  rounds: (kind: 'document' | 'file') => number(`${kind} rounds`),
  documentsSentAgain: flag('documents sent again'),
  firstUnitSentAgain: number('first unit sent again'),
  duplicatesRemoved: number('duplicatesRemoved'),
  /** The link document that this run sends. */
  ownLink: text('own link'),
  /** Link documents of this folder that do not go up, because the cloud dataset has one. */
  linksLeftHere: json('links left here', z.array(z.string())),
  /** `none`: only documents name binaries, and all of those are planned. */
  fileSeries: text('file series'),
  /** The store's ETags are no MD5 of the bytes. */
  storeTellsNoMd5: flag('store tells no MD5'),
  /** The run found binaries that another run had left. */
  adopted: flag('adopted'),
  unitNote: (unit: number) => json(`begun of unit ${unit}`, unitNote),
  zipFailures: (unit: number) => number(`zip failures of unit ${unit}`),
  /** The cloud's counts never agreed with its list of documents. */
  listsDisagree: flag('lists disagree'),
  /** Why a sync does not trust the base. */
  baseLost: text('base lost'),
  unchanged: json('unchanged', unchanged),
  /** The database as it was when the run looked at the folder. */
  observedStamp: json('observed stamp', stamp),
  /** Most binaries of the dataset lie in the cloud on purpose. */
  isHybrid: flag('hybrid'),
  gate: json('gate', gate),
  /** What a person said of the deletions of a plan. */
  approval: json('approval', answer),
  /** When the cloud's record was last changed, before the run. */
  cloudUpdatedAt: text('cloud updated at'),
  /** Grace period of single-object errors. */
  grace: (unit: number) => json(`odd objects of unit ${unit}`, grace),
} as const;

/** Facts of the dataset, whichever run recorded them. */
export const DATASET_FACTS = {
  creation: json('creation', creation),
  keptLink: json('link', keptLink),
  /** Key of the run whose documents are in a downloaded folder. */
  builtBy: text('built by'),
  /** Documents that a download made because the cloud's list lacked them: they go when the list is whole. */
  madeForLack: json('made for lack', z.array(z.string())),
  nights: json('nights', nights),
  generation: json('generation', generation),
  /** Boot id of the machine when the folder was last written. */
  boot: text('boot'),
} as const;

export type UnitNote = z.output<typeof unitNote>;
export type Generation = z.output<typeof generation>;
export type Creation = z.output<typeof creation>;
export type KeptLink = z.output<typeof keptLink>;
