/**
 * Binaries into the cloud one by one, each through an address of its own (contract §2.7 F1). A file is the
 * same file under the same uid, so sending it twice is waste, never harm.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { hashFile } from '../../transfer/hash.ts';
import { putFile } from '../../transfer/put.ts';
import type { PutResult, TransferOptions } from '../../transfer/types.ts';
import { inLanes } from '../shared/lanes.ts';
import { backoffMs, sleep } from '../shared/poll.ts';
import { unlessAboutItem } from '../shared/units.ts';
import type { Sending } from './sending.ts';
import { isSameFile, sourceFile } from './source-file.ts';

/** Files of a serial unit that are on their way at once. */
const LANES = 4;
/**
 * Attempts with one address: asking for another one leaves a job behind that MATLAB's sync waits for
 * (contract §2.8).
 */
const ATTEMPTS_PER_ADDRESS = 3;
/** Times that a file is sent which somebody writes meanwhile; after that it is a problem. */
const ATTEMPTS_PER_FILE = 3;

export const sendFilesSerially = (scope: Sending): Promise<void> =>
  inLanes(LANES, scope.items, async (item) => {
    scope.signal.throwIfAborted();
    await sendFile(scope, item);
  });

/** Sends one file. One that is written while it is sent, or whose arrival nothing proves, goes again. */
export function sendFile(scope: Sending, item: PlanItem): Promise<void> {
  const { ref, cloud, signal, ledger } = scope;
  return unlessAboutItem(scope, item, async () => {
    for (let attempt = 1; ; attempt += 1) {
      const source = await sourceFile(item);
      const known = await knownMd5(scope, item);
      const url = await cloud.files.uploadUrl(ref.organizationId, ref.cloudDatasetId, item.id, signal);
      const put = await putUnlessWritten(scope, url, item, known);
      // Then the next attempts, and the next files, are hashed before they go.
      if (put?.isProven === false) ledger.facts.set(RUN_FACTS.storeTellsNoMd5, true);
      if (put?.isProven === true && (await isSameFile(item, source))) {
        const { md5Hex } = put;
        const { mtimeMs, inode } = source;
        const seen = { md5Hex, cloudMd5Hex: md5Hex, cloudHow: 'read-back' } as const;
        ledger.items.mark('file', [item.id], { state: 'sent', mtimeMs, inode, ...seen });
        return;
      }
      if (attempt >= ATTEMPTS_PER_FILE) {
        throw new CourierError('NDI_E_FILE_CHANGED', {
          detail: `${item.path} was written while it was sent.`,
        });
      }
    }
  });
}

/** The MD5 of a file before it goes, for stores whose ETags prove nothing; small files have it anyway. */
async function knownMd5({ ledger, signal }: Sending, item: PlanItem): Promise<string | undefined> {
  if (ledger.facts.get(RUN_FACTS.storeTellsNoMd5) !== true) return undefined;
  return (await hashFile(item.path ?? '', 'md5', signal)).md5Hex;
}

/** Undefined when the file was written while it was read. */
async function putUnlessWritten(
  scope: Sending,
  url: string,
  item: PlanItem,
  knownMd5Hex: string | undefined,
): Promise<PutResult | undefined> {
  const source = { path: item.path ?? '', sizeBytes: item.sizeBytes };
  try {
    return await withAttempts(scope, item.sizeBytes, (options) =>
      putFile(url, source, {
        ...options,
        hash: 'md5',
        ...(knownMd5Hex === undefined ? {} : { knownMd5Hex }),
      }),
    );
  } catch (error) {
    if (isCourierError(error, 'NDI_E_FILE_CHANGED')) return undefined;
    throw error;
  }
}

/** A few attempts with one address; the error of the last one. The address never gets out. */
export async function withAttempts<Result>(
  scope: Sending,
  sizeBytes: number,
  send: (options: TransferOptions) => Promise<Result>,
): Promise<Result> {
  const { signal, unit, deps } = scope;
  for (let attempt = 1; ; attempt += 1) {
    let bytes = 0;
    const onBytes = (more: number): void => {
      bytes += more;
      scope.heartbeat({ unit: unit.unit, what: 'sending', bytes, ofBytes: sizeBytes });
    };
    try {
      return await send({ signal, throttle: deps.throttle, network: deps.network, onBytes });
    } catch (error) {
      const again =
        isCourierError(error) && error.class === 'retryable' && error.code !== 'NDI_E_URL_EXPIRED';
      if (!again || attempt >= ATTEMPTS_PER_ADDRESS) throw error;
      await sleep(error.retryAfterMs ?? backoffMs(attempt, 200, 5_000), signal);
    }
  }
}
