/**
 * Storms by seed: a small dataset, two to five faults of the sandbox with random odds, and zero to three
 * blows, all drawn from one number. The same seed draws the same storm. When a fault meets a request depends
 * on the machine, so a seed that failed may need several tries.
 */
import type { FaultSpec, Knobs } from '../../sandbox/server.ts';
import { DEFAULT_TUNING, type Tuning, type UploadStrategy } from '../../workflows/contracts/index.ts';

/**
 * What dies. In one process only the worker and the cloud can, and they stop in order; real processes get
 * SIGKILL.
 */
export type Blow = {
  readonly what: 'worker' | 'cloud' | 'server' | 'supervisor';
  /** Requests that the cloud has answered in the transfer by then. */
  readonly afterRequests: number;
};

export interface Storm {
  readonly seed: number;
  readonly dataset: { readonly documents: number; readonly files: number; readonly fileBytes: number };
  readonly strategy: UploadStrategy;
  readonly knobs: Partial<Knobs>;
  readonly faults: readonly FaultSpec[];
  readonly blows: { readonly upload: readonly Blow[]; readonly download: readonly Blow[] };
  readonly tuning: Tuning;
}

type Random = ReturnType<typeof randomOf>;

export function stormOf(seed: number, breakable: readonly Blow['what'][]): Storm {
  const random = randomOf(seed);
  const etag = random.chance(0.25) ? 'opaque' : 'md5';
  const kinds = random.sample(
    FAULTS.filter(({ needsMd5 }) => !needsMd5 || etag === 'md5'),
    random.int(2, 5),
  );
  return {
    seed,
    dataset: { documents: random.int(30, 45), files: random.int(1, 8), fileBytes: random.int(500, 40_000) },
    strategy: random.chance(0.15) ? 'serial' : 'zip',
    knobs: {
      etag,
      importDelayMs: 10,
      bulkDownloadDelayMs: 10,
      fileDelayMs: 0,
      fileListing: random.pick(['embedded', 'keyset', 'both']),
      tokenTtlSeconds: random.chance(0.2) ? random.int(2, 10) : 3600,
      urlTtlSeconds: random.chance(0.2) ? random.int(2, 10) : 600_000,
    },
    faults: kinds.map(({ draw }) => draw(random)),
    blows: { upload: blowsOf(random, breakable), download: blowsOf(random, breakable) },
    tuning: {
      ...DEFAULT_TUNING,
      window: random.int(1, 4),
      documentsPerUnit: random.int(10, 40),
      zipFiles: random.int(2, 5),
      zipBytes: random.int(10_000, 80_000),
      importQuietMs: 500,
      pollMinMs: 10,
      pollMaxMs: 100,
      siteTimeoutMs: 30_000,
      heartbeatTimeoutMs: 4_000,
    },
  };
}

/** Three blows at most over both transfers. */
const blowsOf = (random: Random, breakable: readonly Blow['what'][]): Blow[] =>
  breakable.length === 0 || random.chance(0.5)
    ? []
    : Array.from({ length: random.int(1, 2) }, () => ({
        what: random.pick(breakable),
        afterRequests: random.int(1, 40),
      })).slice(0, random.chance(0.5) ? 1 : 2);

interface FaultDraw {
  /** Without an MD5 from the store nobody can see that bytes changed on the way down. */
  readonly needsMd5?: true;
  readonly draw: (random: Random) => FaultSpec;
}

const OBJECTS = { origin: 'objects', route: '*' } as const;
const API = { route: '*' } as const;
const odds = (random: Random, most: number): number => Math.round(random.float(0.02, most) * 100) / 100;

const FAULTS: readonly FaultDraw[] = [
  { draw: (r) => ({ ...API, kind: 'latency', probability: 0.3, params: { ms: r.int(5, 30) } }) },
  { draw: (r) => ({ ...API, kind: 'reset-before', probability: odds(r, 0.15) }) },
  {
    draw: (r) => ({
      ...API,
      kind: '5xx',
      probability: odds(r, 0.15),
      params: { status: r.pick([500, 502, 503]) },
    }),
  },
  {
    draw: (r) => ({
      ...API,
      kind: '429',
      probability: odds(r, 0.15),
      params: { retryAfterSeconds: r.int(0, 1) },
    }),
  },
  { draw: (r) => ({ ...API, kind: '504-after-work', probability: odds(r, 0.1) }) },
  { draw: (r) => ({ ...API, kind: 'reset-after', probability: odds(r, 0.1) }) },
  { draw: (r) => ({ ...API, kind: 'expired-token', probability: odds(r, 0.05), count: r.int(1, 4) }) },
  { draw: (r) => ({ ...API, kind: 'replica-lag', params: { ms: r.int(50, 150) } }) },
  { draw: () => ({ ...API, kind: 'unstable-order' }) },
  {
    draw: (r) => ({ route: 'POST /organizations/:org/datasets', kind: '504-after-work', count: r.int(1, 2) }),
  },
  { draw: (r) => ({ ...OBJECTS, kind: '5xx', probability: odds(r, 0.15), params: { status: 503 } }) },
  { draw: (r) => ({ ...OBJECTS, kind: '429', probability: odds(r, 0.1) }) },
  { draw: (r) => ({ ...OBJECTS, kind: 'expired-url', probability: odds(r, 0.1) }) },
  {
    draw: (r) => ({
      route: 'PUT object',
      kind: 'reset-during',
      probability: odds(r, 0.3),
      params: { fraction: r.float(0, 1) },
    }),
  },
  { draw: (r) => ({ route: 'PUT object', kind: 'reset-after', probability: odds(r, 0.2) }) },
  { draw: (r) => ({ route: 'PUT object', kind: '504-after-work', probability: odds(r, 0.2) }) },
  {
    draw: (r) => ({
      route: 'PUT object',
      kind: 'corrupt-put',
      probability: odds(r, 0.2),
      count: r.int(1, 4),
    }),
  },
  {
    draw: (r) => ({
      route: 'GET object',
      kind: 'truncated-get',
      probability: odds(r, 0.2),
      params: { fraction: r.float(0, 1), silent: r.chance(0.5) },
    }),
  },
  { needsMd5: true, draw: (r) => ({ route: 'GET object', kind: 'corrupt-get', probability: odds(r, 0.15) }) },
  {
    draw: (r) => ({
      route: 'PUT object',
      kind: 'uploaded-before-readable',
      probability: 0.5,
      params: { ms: r.int(30, 150) },
    }),
  },
  {
    draw: (r) => ({
      route: 'IMPORT documents',
      kind: 'import-delay',
      probability: 0.6,
      params: { ms: r.int(30, 200) },
    }),
  },
  {
    draw: (r) => ({
      route: 'IMPORT documents',
      kind: 'import-lost',
      count: r.int(1, 2),
      params: { fraction: r.float(0.1, 1) },
    }),
  },
  {
    draw: (r) => ({
      route: 'IMPORT documents',
      kind: 'duplicate-insert',
      count: r.int(1, 2),
      params: { fraction: r.float(0.1, 1) },
    }),
  },
  {
    draw: (r) => ({
      route: 'IMPORT files',
      kind: 'import-delay',
      probability: 0.6,
      params: { ms: r.int(30, 200) },
    }),
  },
  {
    draw: (r) => ({
      route: 'IMPORT files',
      kind: 'import-lost',
      count: 1,
      params: r.chance(0.5) ? { jobState: 'failed' } : { fraction: r.float(0.1, 1) },
    }),
  },
];

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    int,
    float: (min: number, max: number): number => min + next() * (max - min),
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(choices: readonly T[]): T => choices[int(0, choices.length - 1)] as T,
    sample: <T>(choices: readonly T[], count: number): T[] => {
      const left = [...choices];
      return Array.from({ length: count }, () => left.splice(int(0, left.length - 1), 1)[0] as T);
    },
  };
}
