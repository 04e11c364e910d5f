/**
 * Binaries out of the cloud, each by an address of its own that is asked for just before use
 * (contract §2.7 F3). A file appears under its name only whole; a large one goes on at the part it had
 * reached.
 */
import { type CourierError, type ErrorCode, isCourierError } from '../../errors/index.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { getToFile } from '../../transfer/get.ts';
import type { GetResult, OnBytes } from '../../transfer/types.ts';
import { inLanes } from '../shared/lanes.ts';
import { backoffMs, sleep } from '../shared/poll.ts';
import { failItem, type UnitScope } from '../shared/units.ts';
import { UNFORCED_BYTES } from './build-dir.ts';
import { giveTime } from './grace.ts';

/**
 * Small files of a unit that are on their way at once: each costs one call of the API and one of the store.
 */
const LANES = 6;
/** Attempts at one file before its unit is given back, and before an odd one waits for the next round. */
const ATTEMPTS = 7;
const ODD_ATTEMPTS = 2;
/**
 * Files that are here and not noted yet: the death of the process fetches these again, as it does what is in
 * flight.
 */
const UNNOTED_FILES = 32;
const UNNOTED_BYTES = 1024 * 1024;

/**
 * Single-object errors that are often transient: listed as uploaded before it can be read (contract §3.4),
 * 403 for a key that is not there, a size that is a hint (§10 #18), an answer without an address. The others
 * go on; the object gets its time.
 */
const ODD: ReadonlySet<ErrorCode> = new Set([
  'NDI_E_NOT_FOUND',
  'NDI_E_URL_EXPIRED',
  'NDI_E_INTEGRITY',
  'NDI_E_FILE_CHANGED',
  'NDI_E_BAD_ANSWER',
  'NDI_E_NOT_READY',
]);
interface OddFile {
  readonly item: PlanItem;
  readonly error: CourierError;
}

type Fetching = UnitScope<unknown>;

/** Fetches the unit's files into the dataset directory `dir`. */
export async function fetchFiles(scope: Fetching, dir: string): Promise<void> {
  const { unit, ledger, signal } = scope;
  const odd: OddFile[] = [];
  let bytes = 0;
  const onBytes = (more: number): void => {
    bytes += more;
    scope.heartbeat({ unit: unit.unit, what: 'receiving', bytes, ofBytes: unit.sizeBytes });
  };
  const notes = createNotes(ledger);
  try {
    await inLanes(LANES, scope.items, async (item) => {
      signal.throwIfAborted();
      const error = await fetchFile(scope, item, { dir, notes, onBytes });
      if (error !== undefined) odd.push({ item, error });
    });
  } finally {
    // Files that the other lanes brought are noted, too.
    notes.flush();
  }
  giveTime(
    scope,
    odd.map(({ error }) => error),
  );
  for (const { item, error } of odd) failItem(scope, item, error);
}

interface Notes {
  /** The file is here, whole. */
  add(item: PlanItem, got: GetResult): void;
  flush(): void;
}

function createNotes(ledger: RunLedger): Notes {
  let waiting: { id: string; got: GetResult }[] = [];
  let bytes = 0;
  const flush = (): void => {
    const noted = waiting;
    waiting = [];
    bytes = 0;
    if (noted.length === 0) return;
    // A note that a power cut takes away means one more fetch; a flush of the disk would hold up this thread.
    ledger.lazily(() => {
      for (const { id, got } of noted) {
        const { sizeBytes, sha256Hex, md5Hex } = got;
        const seen = { md5Hex, cloudMd5Hex: md5Hex, cloudHow: 'read-back' } as const;
        ledger.items.mark('file', [id], { state: 'done', sizeBytes, sha256Hex, ...seen });
      }
    });
  };
  return {
    add: (item, got) => {
      waiting.push({ id: item.id, got });
      bytes += got.sizeBytes;
      if (waiting.length >= UNNOTED_FILES || bytes >= UNNOTED_BYTES) flush();
    },
    flush,
  };
}

/** Brings and notes one file. Returns what is odd about it; throws what is not about this file. */
async function fetchFile(
  scope: Fetching,
  item: PlanItem,
  lane: { readonly dir: string; readonly notes: Notes; readonly onBytes: OnBytes },
): Promise<CourierError | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      lane.notes.add(item, await getOnce(scope, item, lane));
      return undefined;
    } catch (error) {
      if (!isCourierError(error)) throw error;
      if (error.about === 'item' && error.class === 'permanent') {
        failItem(scope, item, error);
        return undefined;
      }
      const odd = ODD.has(error.code);
      if (error.class !== 'retryable' || attempt >= (odd ? ODD_ATTEMPTS : ATTEMPTS)) {
        if (odd) return error;
        throw error;
      }
      await sleep(error.retryAfterMs ?? backoffMs(attempt - 1, 100, 5_000), scope.signal);
    }
  }
}

function getOnce(
  { deps, ref, cloud, signal, ledger }: Fetching,
  item: PlanItem,
  { dir, onBytes }: { readonly dir: string; readonly onBytes: OnBytes },
): Promise<GetResult> {
  const address = () => cloud.files.downloadUrl(ref.cloudDatasetId, item.id, signal);
  return getToFile(address, uidPath(dir, item.id), {
    signal,
    onBytes,
    throttle: deps.throttle,
    network: deps.network,
    journal: ledger.dataset.parts(item.id),
    unforcedBytes: UNFORCED_BYTES,
    // A listed size may be a hint, but one that is there and wrong means a truncated object
    // (contract §10 #18).
    ...(item.sizeBytes > 0 ? { expectedSizeBytes: item.sizeBytes } : {}),
  });
}
