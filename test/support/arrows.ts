/** Arrows say who may import whom, and why. `test/architecture.test.ts` holds the sources against it. */

/** `value` runs the other module, `type` is erased, `late` is `import()`: loaded only when needed. */
export type ImportKind = 'value' | 'type' | 'late';

export interface Arrow {
  readonly kinds: readonly ImportKind[];
  readonly because: string;
}

const full = (because: string): Arrow => ({ kinds: ['value', 'type', 'late'], because });
const types = (because: string): Arrow => ({ kinds: ['type'], because });
const late = (because: string): Arrow => ({ kinds: ['type', 'late'], because });

/**
 * The ground: every room may import it, because what SQLite, the disk and our errors mean must be the same
 * everywhere. `sqlite`, `disk` and `net` import `errors` alone, `errors` nothing. Workflows import `errors`
 * only: the others would not be deterministic.
 */
export const GROUND = ['errors', 'sqlite', 'disk', 'net'] as const;

/** A room that is not named here may not be imported, and is not built. */
export const ARROWS: Readonly<Record<string, Readonly<Record<string, Arrow>>>> = {
  errors: {},
  sqlite: {},
  disk: {},
  net: {},
  ndi: {},
  transfer: {},
  ledger: {
    ndi: types('rows carry NDI ids; the ledger interprets no document'),
    transfer: types('the journal of parts is what a transfer asks for'),
  },
  sync: { ndi: full('content is compared and merged as NDI means it; it knows no database and no network') },
  crossref: { ndi: types('a record is made from the metadata of a dataset') },
  intake: {
    ndi: types('a drop names the dataset that it goes into'),
    transfer: full('receiver and rig move bytes'),
  },
  workflows: {
    sync: types('plans and conflicts go through histories'),
    ndi: types('contracts name ids and metadata'),
    crossref: types('contracts name records and verdicts'),
  },
  activities: {
    workflows: types('steps are declared there; nothing of a workflow runs in an activity'),
    ndi: full('steps read and write datasets and call the cloud'),
    transfer: full('steps move bytes'),
    ledger: full('steps keep their progress'),
    sync: full('steps call the planner'),
    crossref: full('steps deposit records'),
    intake: full('steps verify what a rig delivered'),
  },
  workers: {
    workflows: full('a worker bundles them'),
    activities: full('the composition root builds what activities are handed'),
    ndi: full('the composition root opens clients and accounts'),
    transfer: full('the composition root makes the throttle'),
    ledger: full('the composition root keeps ledgers open'),
    sync: full('the composition root hands in policies'),
    crossref: full('the composition root opens the registry'),
    intake: full('the composition root starts the receiver'),
  },
  client: {
    workflows: full('a run is started by its definition'),
    ndi: full('preflight reads datasets and asks the cloud'),
    ledger: full('links, conflicts and the trash lie in the ledger of the dataset'),
    sync: full('modes, policies and rules that people type are parsed there'),
    workers: late('workers are started as a process or loaded last: --help must not load a server'),
    sandbox: late('the sandbox is loaded by its own command only'),
  },
  sandbox: { ndi: types('answers have the shapes that the client reads') },
};

/** Import circles between files that are known. The list may only shrink. */
export const KNOWN_CIRCLES: readonly string[] = [];

/** Top-level functions of more than 60 lines. The list may only shrink. */
export const KNOWN_LONG_FUNCTIONS: readonly string[] = [
  'activities/upload/plan-files.ts createFilePlanner',
  'client/cli/demo/demo.ts perform',
  'client/runs.ts createRuns',
  'ledger/base.ts openBase',
  'ledger/bind-run.ts bindRun',
  'ledger/differences.ts openDifferences',
  'ledger/items.ts openItems',
  'ledger/lease.ts openLease',

  'ledger/runs.ts openRuns',
  'ledger/units.ts openUnits',
  'ndi/auth/profiles.ts createProfileStore',
  'ndi/auth/token-source.ts createTokenSource',
  'ndi/cloud/datasets.ts createDatasets',
  'ndi/cloud/files.ts createFiles',
  'ndi/cloud/request.ts createRequester',
  'ndi/document/split.ts createArraySplitter',
  'sandbox/fault-wire.ts shapeAnswer',
  'sandbox/faults.ts createFaults',
  'sandbox/objects/bucket.ts createBucket',
  'sandbox/objects/bucket.ts createOutput',
  'sandbox/tasks.ts createTasks',
  'sandbox/zip-write.ts writeZip',
  'transfer/threads/hash.ts hashOrders',
  'workers/server.ts launch',
  'workflows/run/park.ts createStep',
  'workflows/run/run.ts startRun',
];
