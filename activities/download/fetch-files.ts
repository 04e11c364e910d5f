/**
 * Binaries out of the cloud, each by an address of its own that is asked for just before use (contract §2.7 F3).
 * A file appears under its name only whole; a large one goes on at the part it had reached.
 */
import { type CourierError, isCourierError } from '../../errors/index.ts';
import type { Ledger, PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { getToFile } from '../../transfer/get.ts';
import type { GetResult, OnBytes } from '../../transfer/types.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import { backoffMs, sleep } from '../sleep.ts';
import { failItem, type UnitContext } from '../units.ts';
import { giveTime } from './odd.ts';
import { buildDirOf, UNFORCED_BYTES } from './places.ts';

type Fetching = UnitContext<DownloadInput>;

/** Small files of a unit that are on their way at once: each costs one call of the API and one of the store. */
const FILES_AT_ONCE = 6;
/** Tries of one file before its unit is given back, and before an odd one waits for the next round. */
const TRIES = 4;
const ODD_TRIES = 2;
/** Files that are here and not noted yet: the death of the process fetches these again, as it does what is in flight. */
const UNNOTED_FILES = 32;
const UNNOTED_BYTES = 1024 * 1024;

/** What a cloud says of one object for good. */
const HOPELESS = new Set(['NDI_E_ARCHIVED', 'NDI_E_BAD_REQUEST']);
/**
 * What it says of one object and may not mean: listed as uploaded before it can be read (contract §3.4), 403 for a key that is not there,
 * a size that is a hint (§10 #18), an answer without an address. The others go on; the object gets its time.
 */
const ODD = new Set([
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

export async function fetchFiles(context: Fetching): Promise<void> {
  const { step, unit } = context;
  const queue = [...context.items];
  const odd: OddFile[] = [];
  let bytes = 0;
  const onBytes = (more: number): void => {
    bytes += more;
    step.beat({ unit: unit.unit, what: 'receiving', bytes, ofBytes: unit.sizeBytes });
  };
  const dir = buildDirOf(context.input);
  const notes = createNotes(context.deps.ledgers.open(context.ref.ledgerPath), context.ref.runKey);
  const lane = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        step.signal.throwIfAborted();
        const error = await fetchFile(context, item, { dir, notes, onBytes });
        if (error !== undefined) odd.push({ item, error });
      }
    } catch (error) {
      // The others end with the file they are at, and what they brought is noted.
      queue.length = 0;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(FILES_AT_ONCE, queue.length) }, lane));
  notes.flush();
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  giveTime(
    context,
    odd.map(({ error }) => error),
  );
  for (const { item, error } of odd) failItem(context, item, error);
}

interface Notes {
  /** The file is here, whole. */
  add(item: PlanItem, got: GetResult): void;
  flush(): void;
}

function createNotes(ledger: Ledger, runKey: string): Notes {
  let waiting: { id: string; got: GetResult }[] = [];
  let bytes = 0;
  const flush = (): void => {
    const noted = waiting;
    waiting = [];
    bytes = 0;
    if (noted.length === 0) return;
    // What a power cut takes away is fetched again; a flush of the disk would hold up this thread.
    ledger.lazily(() => {
      for (const { id, got } of noted) {
        const { sizeBytes, sha256Hex, md5Hex } = got;
        ledger.markItems(runKey, 'file', [id], { state: 'done', sizeBytes, sha256Hex, md5Hex });
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
  context: Fetching,
  item: PlanItem,
  lane: { readonly dir: string; readonly notes: Notes; readonly onBytes: OnBytes },
): Promise<CourierError | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      lane.notes.add(item, await getOnce(context, item, lane));
      return undefined;
    } catch (error) {
      if (!isCourierError(error)) throw error;
      if (HOPELESS.has(error.code)) {
        failItem(context, item, error);
        return undefined;
      }
      const odd = ODD.has(error.code);
      if (error.class !== 'retryable' || attempt >= (odd ? ODD_TRIES : TRIES)) {
        if (odd) return error;
        throw error;
      }
      await sleep(error.retryAfterMs ?? backoffMs(attempt, 200, 5_000), context.step.signal);
    }
  }
}

function getOnce(
  { deps, ref, step }: Fetching,
  item: PlanItem,
  { dir, onBytes }: { readonly dir: string; readonly onBytes: OnBytes },
): Promise<GetResult> {
  const cloud = deps.cloud(ref.cloud);
  const address = () => cloud.files.downloadUrl(ref.cloudDatasetId, item.id, step.signal);
  return getToFile(address, uidPath(dir, item.id), {
    signal: step.signal,
    onBytes,
    throttle: deps.throttle,
    journal: deps.ledgers.open(ref.ledgerPath).parts(item.id),
    unforcedBytes: UNFORCED_BYTES,
    // A listed size may be a hint, but one that is there and wrong means a truncated object (contract §10 #18).
    ...(item.sizeBytes > 0 ? { expectedSizeBytes: item.sizeBytes } : {}),
  });
}
