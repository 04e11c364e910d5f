/**
 * The cloud's write lock of a dataset (NDI Cloud contract §2.11): other accounts can write nothing while a
 * run sends. A cloud that does not offer it is written without, and so is one whose lock is out of order: the
 * lock keeps others out, and the run is right without it. Runs of one account share the lock; what they make
 * twice is removed at the end.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { CloudClient, WriteLock } from '../../ndi/cloud/types.ts';
import type { RunScope, StepDeps } from '../deps.ts';

/** How long the lock outlives a computer that is switched off. */
const TTL_SECONDS = 1_800;
const RENEW_BEFORE_MS = 1_200_000;
/** Steps that take longer renew the lock while they work. */
const RENEWAL_MS = 300_000;
/** A run that is cancelled does not wait for a cloud that is away: the lock ends by itself. */
const RELEASE_WITHIN_MS = 10_000;

/**
 * Does `work` under the write lock of the run's cloud dataset.
 * @throws NDI_E_WRITE_LOCKED the run waits, naming the one who holds it
 */
export async function underWriteLock<Result>(scope: RunScope, work: () => Promise<Result>): Promise<Result> {
  await keepWriteLock(scope);
  // A refusal shows when the cloud refuses a write.
  const renewal = setInterval(() => void keepWriteLock(scope).catch(() => {}), RENEWAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
  }
}

async function keepWriteLock({ ledger, cloud, ref, signal }: RunScope): Promise<void> {
  const known = ledger.facts.get(RUN_FACTS.writeLock);
  if (known?.isOffered === false || (known?.untilMs ?? 0) - Date.now() > RENEW_BEFORE_MS) return;
  const { cloudDatasetId } = ref;
  const note = (isOffered: boolean, isOurs: boolean, untilMs: number): void =>
    ledger.facts.set(RUN_FACTS.writeLock, { isOffered, isOurs, untilMs, cloudDatasetId, cloud: ref.cloud });
  try {
    // A lock of this account that the run did not take is a person's, or another run's: it is not the run's
    // to release.
    const isOurs =
      known?.isOurs === true || (await cloud.writeLock.get(cloudDatasetId, signal)) === undefined;
    // Noted before it is taken: an attempt that dies in between must know whose it is.
    note(true, isOurs, 0);
    await cloud.writeLock.acquire(cloudDatasetId, { reason: REASON, ttlSeconds: TTL_SECONDS }, signal);
    note(true, isOurs, Date.now() + TTL_SECONDS * 1_000);
  } catch (error) {
    if (isCourierError(error, 'NDI_E_LOCKED')) throw await lockedBy(cloud, cloudDatasetId, error, signal);
    if (isCourierError(error) && error.class === 'permanent') note(false, false, 0);
    else if (!isCourierError(error) || error.class !== 'retryable' || signal.aborted) throw error;
  }
}

const REASON = 'ndi-courier uploads';

async function lockedBy(
  cloud: CloudClient,
  cloudDatasetId: string,
  refusal: CourierError,
  signal: AbortSignal,
): Promise<CourierError> {
  const lock: WriteLock | undefined = await cloud.writeLock
    .get(cloudDatasetId, signal)
    .catch(() => undefined);
  const by = lock?.heldBy === undefined ? refusal.detail : `It is ${lock.heldBy}`;
  const until = lock?.heldUntil === undefined ? '' : `, until ${lock.heldUntil}`;
  const reason = lock?.reason === undefined ? '' : ` (${lock.reason})`;
  return new CourierError('NDI_E_WRITE_LOCKED', { detail: `${by}${until}${reason}.` });
}

/**
 * Releases the lock that a run has taken; twice is as once. A cloud that cannot be asked ends the lock by
 * itself.
 */
export async function releaseWriteLock(deps: Pick<StepDeps, 'cloud'>, { facts }: RunLedger): Promise<void> {
  const held = facts.get(RUN_FACTS.writeLock);
  if (held?.isOurs !== true) return;
  try {
    const signal = AbortSignal.timeout(RELEASE_WITHIN_MS);
    await deps.cloud(held.cloud).writeLock.release(held.cloudDatasetId, signal);
  } catch (error) {
    if (!isCourierError(error)) throw error;
  }
}
