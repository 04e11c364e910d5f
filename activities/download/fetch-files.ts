/**
 * Binaries out of the cloud, each by an address of its own that is asked for just before use (contract §2.7 F3).
 * A file appears under its name only whole; a large one goes on at the part it had reached.
 */
import { isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { getToFile } from '../../transfer/get.ts';
import type { DownloadInput } from '../../workflows/contracts.ts';
import { backoffMs, sleep } from '../sleep.ts';
import { failItem, type UnitContext } from '../units.ts';
import { buildDirOf } from './places.ts';

type Fetching = UnitContext<DownloadInput>;

/** Small files of a unit that are on their way at once: each costs one call of the API and one of the store. */
const FILES_AT_ONCE = 6;
/** Tries of one file before its unit is given back: one flaky file must not make its neighbours wait. */
const TRIES = 4;

export async function fetchFiles(context: Fetching): Promise<void> {
  const { step, unit } = context;
  const queue = [...context.items];
  let bytes = 0;
  const onBytes = (more: number): void => {
    bytes += more;
    step.beat({ unit: unit.unit, what: 'receiving', bytes, ofBytes: unit.sizeBytes });
  };
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      step.signal.throwIfAborted();
      await fetchFile(context, item, onBytes);
    }
  };
  await Promise.all(Array.from({ length: Math.min(FILES_AT_ONCE, queue.length) }, lane));
}

async function fetchFile(context: Fetching, item: PlanItem, onBytes: (bytes: number) => void): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await getOnce(context, item, onBytes);
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

async function getOnce(
  { deps, input, ref, step }: Fetching,
  item: PlanItem,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const cloud = deps.cloud(ref.cloud);
  const address = () => cloud.files.downloadUrl(ref.cloudDatasetId, item.id, step.signal);
  const got = await getToFile(address, uidPath(buildDirOf(input), item.id), {
    signal: step.signal,
    onBytes,
    throttle: deps.throttle,
    journal: ledger.parts(item.id),
    // A listed size may be a hint, but one that is there and wrong means a truncated object (contract §10 #18).
    ...(item.sizeBytes > 0 ? { expectedSizeBytes: item.sizeBytes } : {}),
  });
  ledger.markItems(ref.runKey, 'file', [item.id], {
    state: 'done',
    sizeBytes: got.sizeBytes,
    ...(got.sha256Hex === undefined ? {} : { sha256Hex: got.sha256Hex }),
    ...(got.md5Hex === undefined ? {} : { md5Hex: got.md5Hex }),
  });
}
