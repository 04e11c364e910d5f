/**
 * Creating a cloud dataset exactly once. The API has no idempotency key, and a create that answers 504 is
 * common (contract §2.4 D1), so the dataset is born under a name nobody else can have, found again by it, and
 * then renamed.
 *
 * A creation that was begun is kept with the dataset, not with the run: a run that is cancelled, or forgotten
 * with Temporal's database, between the create and the link would otherwise leave a cloud dataset behind and
 * the next one make another.
 */
import { randomUUID } from 'node:crypto';
import { CourierError, isCourierError, mayHaveActed } from '../../errors/index.ts';
import type { DatasetLedger } from '../../ledger/dataset-ledger.ts';
import { type Creation, DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import { eachPage } from '../../ndi/cloud/pages.ts';
import type { RunScope } from '../deps.ts';
import { backoffMs, sleep } from '../shared/poll.ts';

const DATASET_PAGE_SIZE = 200;
/** How many looks a create without an answer gets before it is said to have failed. */
const LOOKS = 8;

export interface NewDataset {
  /** Base URL of the cloud. A creation that was begun against another cloud is ignored. */
  readonly baseUrl: string;
  readonly organizationId: string;
  readonly metadata: { readonly name: string };
}

const { creation: CREATION } = DATASET_FACTS;

function remember(ledger: RunLedger, creation: Creation): Creation {
  ledger.dataset.facts.set(CREATION, creation);
  return creation;
}

/**
 * Returns the id of the one dataset that was created, however often and by however many runs it was tried.
 */
export async function createDatasetOnce(scope: RunScope, wanted: NewDataset): Promise<string> {
  const { cloud, ledger, signal } = scope;
  const { runKey } = ledger;
  const { metadata } = wanted;
  const earlier = await unfinished(scope, wanted);
  // On disk before the first request: a second attempt must know what to look for.
  let creation = earlier ?? remember(ledger, newCreation(runKey, wanted));
  if (creation.id === null) {
    const id = await createUnderMark(scope, wanted, creation.markedName, earlier !== undefined);
    // On disk before the mark goes: whether or not the renaming was heard of, nothing would be found by it
    // again.
    creation = remember(ledger, { ...creation, id, createdAt: new Date().toISOString() });
  }
  ledger.facts.set(RUN_FACTS.createdAt, creation.createdAt ?? '');
  const id = creation.id as string;
  // A dataset that another run began has the name and metadata of its day.
  const changes = creation.runKey === runKey ? { name: metadata.name } : metadata;
  await cloud.datasets.update(id, changes, signal);
  return id;
}

function newCreation(runKey: string, { metadata, baseUrl, organizationId }: NewDataset): Creation {
  const markedName = `${metadata.name} [ndi-courier ${randomUUID()}]`;
  return { markedName, baseUrl, organizationId, runKey, id: null, createdAt: null, linked: false };
}

/** A creation that an earlier attempt, or an earlier run, began in the same place and did not get to link. */
async function unfinished(scope: RunScope, wanted: NewDataset): Promise<Creation | undefined> {
  const { cloud, ledger, signal } = scope;
  const creation = ledger.dataset.facts.get(CREATION);
  if (creation === undefined || creation.linked) return undefined;
  if (creation.baseUrl !== wanted.baseUrl || creation.organizationId !== wanted.organizationId)
    return undefined;
  if (creation.id === null || creation.runKey === ledger.runKey) return creation;
  try {
    const { isDeleted } = await cloud.datasets.get(creation.id, signal);
    return isDeleted ? undefined : creation;
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_NOT_FOUND')) throw error;
    if (isYoung(creation.createdAt)) throw notYet(error);
    // Somebody found the stray one and deleted it.
    return undefined;
  }
}

/** The dataset is linked: what is created after this is another one. */
export function creationIsLinked(ledger: DatasetLedger, cloudDatasetId: string): void {
  const creation = ledger.facts.get(CREATION);
  if (creation?.id === cloudDatasetId) ledger.facts.set(CREATION, { ...creation, linked: true });
}

async function createUnderMark(
  scope: RunScope,
  wanted: NewDataset,
  markedName: string,
  triedBefore: boolean,
): Promise<string> {
  const { organizationId } = wanted;
  let found = triedBefore ? await findByName(scope, organizationId, markedName) : [];
  if (found.length === 0) {
    const created = await tryCreate(scope, wanted, markedName);
    found = await look(scope, organizationId, markedName, created === undefined ? 1 : 0);
    if (created !== undefined && !found.includes(created)) found.push(created);
  }
  const [id, ...doubles] = found.toSorted();
  if (id === undefined) {
    throw new CourierError('NDI_E_CLOUD_UNAVAILABLE', { detail: 'Creating the dataset had no effect.' });
  }
  await removeDoubles(scope, doubles);
  return id;
}

async function removeDoubles({ cloud, ledger, signal }: RunScope, doubles: readonly string[]): Promise<void> {
  for (const double of doubles) await cloud.datasets.delete(double, 'now', signal);
  if (doubles.length > 0) ledger.audit('removed doubles of the new dataset', { doubles });
}

/**
 * Removes doubles that a slow replica showed only after the dataset was created, and closes the creation. The
 * dataset itself may still be listed under its mark, by a replica that has not heard of the new name.
 */
export async function sweepDoubles(scope: RunScope): Promise<void> {
  const { ledger, ref } = scope;
  const creation = ledger.dataset.facts.get(CREATION);
  if (creation?.id !== ref.cloudDatasetId) return;
  const found = await findByName(scope, creation.organizationId, creation.markedName);
  await removeDoubles(
    scope,
    found.filter((id) => id !== ref.cloudDatasetId),
  );
  ledger.dataset.facts.set(CREATION, null);
}

/**
 * A replica may not know a new dataset for a while (contract §3.4: a GET right after a create may be 404).
 */
const UNKNOWN_AT_MOST_MS = 5 * 60_000;

/** A 404 on a dataset that this run has just created means "not yet"; any other error is what it is. */
export function unlessJustCreated(ledger: RunLedger, error: unknown): unknown {
  if (!isCourierError(error, 'NDI_E_NOT_FOUND')) return error;
  return isYoung(ledger.facts.get(RUN_FACTS.createdAt) ?? null) ? notYet(error) : error;
}

const isYoung = (createdAt: string | null): boolean =>
  Date.now() - Date.parse(createdAt ?? '') < UNKNOWN_AT_MOST_MS;

const notYet = (cause: CourierError): CourierError =>
  new CourierError('NDI_E_NOT_READY', { detail: cause.detail ?? '', cause });

/** The new id, or undefined when nobody knows whether there is one. */
async function tryCreate(
  { cloud, signal }: RunScope,
  { organizationId, metadata }: NewDataset,
  markedName: string,
): Promise<string | undefined> {
  try {
    const body = { ...metadata, name: markedName };
    return (await cloud.datasets.create(organizationId, body, signal)).id;
  } catch (error) {
    if (mayHaveActed(error)) return undefined;
    throw error;
  }
}

/** Looks until at least so many are listed, or it has looked often enough. */
async function look(
  scope: RunScope,
  organizationId: string,
  name: string,
  atLeast: number,
): Promise<string[]> {
  const { pollMinMs, pollMaxMs } = scope.tuning;
  for (let n = 0; ; n += 1) {
    const found = await findByName(scope, organizationId, name);
    if (found.length >= atLeast || n >= LOOKS) return found;
    await sleep(backoffMs(n, pollMinMs, pollMaxMs), scope.signal);
  }
}

async function findByName(
  { cloud, signal }: RunScope,
  organizationId: string,
  name: string,
): Promise<string[]> {
  const found = new Set<string>();
  const pages = eachPage(DATASET_PAGE_SIZE, (query) =>
    cloud.datasets.list({ organizationId, ...query }, signal),
  );
  for await (const { rows } of pages) for (const row of rows) if (row.name === name) found.add(row.id);
  return [...found];
}
