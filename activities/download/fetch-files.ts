/**
 * Binaries out of the cloud, each by an address of its own that is asked for just before use (contract §2.7 F3).
 * A file appears under its name only whole; a large one goes on at the part it had reached.
 */
import { isCourierError } from '../../errors/index.ts';
import type { Ledger, PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { getToFile } from '../../transfer/get.ts';
import type { GetResult } from '../../transfer/types.ts';
import type { DownloadInput } from '../../workflows/contracts.ts';
import { backoffMs, sleep } from '../sleep.ts';
import { failItem, type UnitContext } from '../units.ts';
import { buildDirOf } from './places.ts';

type Fetching = UnitContext<DownloadInput>;

/** Small files of a unit that are on their way at once: each costs one call of the API and one of the store. */
const FILES_AT_ONCE = 6;
/** Tries of one file before its unit is given back: one flaky file must not make its neighbours wait. */
const TRIES = 4;
/**
 * Files that are here and not noted yet: a crash fetches these again, as it does what is in flight. One flush of the
 * disk notes them all; one for each file took longer than the files (0.7 of 2.4 ms, 10,000 × 4 KiB).
 */
const UNNOTED_FILES = 32;
const UNNOTED_BYTES = 1024 * 1024;

export async function fetchFiles(context: Fetching): Promise<void> {
  const { step, unit } = context;
  const queue = [...context.items];
  let bytes = 0;
  const onBytes = (more: number): void => {
    bytes += more;
    step.beat({ unit: unit.unit, what: 'receiving', bytes, ofBytes: unit.sizeBytes });
  };
  const notes = createNotes(context.deps.ledgers.open(context.ref.ledgerPath), context.ref.runKey);
  const lane = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        step.signal.throwIfAborted();
        await fetchFile(context, item, notes, onBytes);
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
}

interface Notes {
  /** The file is here, whole and on disk. */
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
    ledger.together(() => {
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

async function fetchFile(
  context: Fetching,
  item: PlanItem,
  notes: Notes,
  onBytes: (bytes: number) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return notes.add(item, await getOnce(context, item, onBytes));
    } catch (error) {
      if (!isCourierError(error)) throw error;
      // One file that the cloud does not give is a problem of its own.
      if (
        error.code === 'NDI_E_NOT_FOUND' ||
        error.code === 'NDI_E_ARCHIVED' ||
        error.code === 'NDI_E_BAD_REQUEST'
      ) {
        return failItem(context, item, error);
      }
      if (error.class !== 'retryable' || attempt >= TRIES) throw error;
      await sleep(error.retryAfterMs ?? backoffMs(attempt, 200, 5_000), context.step.signal);
    }
  }
}

function getOnce(
  { deps, input, ref, step }: Fetching,
  item: PlanItem,
  onBytes: (bytes: number) => void,
): Promise<GetResult> {
  const cloud = deps.cloud(ref.cloud);
  const address = () => cloud.files.downloadUrl(ref.cloudDatasetId, item.id, step.signal);
  return getToFile(address, uidPath(buildDirOf(input), item.id), {
    signal: step.signal,
    onBytes,
    throttle: deps.throttle,
    journal: deps.ledgers.open(ref.ledgerPath).parts(item.id),
    // A listed size may be a hint, but one that is there and wrong means a truncated object (contract §10 #18).
    ...(item.sizeBytes > 0 ? { expectedSizeBytes: item.sizeBytes } : {}),
  });
}
