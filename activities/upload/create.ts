/**
 * Creating a cloud dataset exactly once. The API has no idempotency key, and a create that answers 504 is common
 * (contract §2.4 D1), so the dataset is born under a name nobody else can have, found again by it, and then renamed.
 *
 * What was begun is kept with the dataset, not with the run: a run that is cancelled, or forgotten with Temporal's
 * database, between the create and the link would otherwise leave a cloud dataset behind and the next one make another.
 */
import { randomUUID } from 'node:crypto';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Ledger } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import type { Tuning } from '../../workflows/contracts/index.ts';
import { mayHaveHappened } from '../ambiguous.ts';
import type { StepContext } from '../deps.ts';
import { backoffMs, sleep } from '../sleep.ts';

const DATASET_PAGE_SIZE = 200;
/** How many looks a create without an answer gets before it is said to have failed. */
const LOOKS = 8;

export interface Creation {
  readonly cloud: CloudClient;
  /** Of `cloud`: what was begun elsewhere is none of this one's. */
  readonly baseUrl: string;
  readonly ledger: Ledger;
  readonly runKey: string;
  readonly organizationId: string;
  readonly metadata: { readonly name: string };
  readonly tuning: Tuning;
}

/** A creation from before its first request until its run has ended well. */
interface Begun {
  readonly markedName: string;
  readonly baseUrl: string;
  readonly organizationId: string;
  /** The run that began it. */
  readonly runKey: string;
  /** Null while nobody knows whether there is one. */
  readonly id: string | null;
  readonly createdAt: string | null;
  /** The dataset says where it goes: from now on a creation is a wish for another one. */
  readonly linked: boolean;
}

const FACT = 'creation';

function begunCreation(ledger: Ledger): Begun | undefined {
  const text = ledger.datasetFact(FACT);
  return text === undefined ? undefined : (JSON.parse(text) as Begun);
}

function remember(ledger: Ledger, begun: Begun): Begun {
  ledger.setDatasetFact(FACT, JSON.stringify(begun));
  return begun;
}

/** Returns the id of the one dataset that was created, however often and by however many runs it was tried. */
export async function createDatasetOnce(context: StepContext, creation: Creation): Promise<string> {
  const { cloud, ledger, runKey, metadata } = creation;
  const earlier = await unfinished(context, creation);
  // On disk before the first request: a second try must know what to look for.
  let begun = earlier ?? remember(ledger, newCreation(creation));
  if (begun.id === null) {
    const id = await createUnderMark(context, creation, begun.markedName, earlier !== undefined);
    // On disk before the mark goes: whether or not the renaming was heard of, nothing would be found by it again.
    begun = remember(ledger, { ...begun, id, createdAt: new Date().toISOString() });
  }
  ledger.setFact(runKey, 'createdAt', begun.createdAt ?? '');
  const id = begun.id as string;
  // What another run began has the name and metadata of its day.
  const changes = begun.runKey === runKey ? { name: metadata.name } : metadata;
  await cloud.datasets.update(id, changes, context.signal);
  return id;
}

function newCreation({ metadata, baseUrl, organizationId, runKey }: Creation): Begun {
  const markedName = `${metadata.name} [ndi-courier ${randomUUID()}]`;
  return { markedName, baseUrl, organizationId, runKey, id: null, createdAt: null, linked: false };
}

/** What an earlier try, or an earlier run, began in the same place and did not get to link. */
async function unfinished(context: StepContext, creation: Creation): Promise<Begun | undefined> {
  const { cloud, ledger, runKey, baseUrl, organizationId } = creation;
  const begun = begunCreation(ledger);
  if (begun === undefined || begun.linked) return undefined;
  if (begun.baseUrl !== baseUrl || begun.organizationId !== organizationId) return undefined;
  if (begun.id === null || begun.runKey === runKey) return begun;
  try {
    const { isDeleted } = await cloud.datasets.get(begun.id, context.signal);
    return isDeleted ? undefined : begun;
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_NOT_FOUND')) throw error;
    if (isYoung(begun.createdAt)) throw notYet(error);
    // Somebody found the stray one and deleted it.
    return undefined;
  }
}

/** The dataset is linked: what is created after this is another one. */
export function creationIsLinked(ledger: Ledger, cloudDatasetId: string): void {
  const begun = begunCreation(ledger);
  if (begun?.id === cloudDatasetId) remember(ledger, { ...begun, linked: true });
}

async function createUnderMark(
  context: StepContext,
  creation: Creation,
  markedName: string,
  triedBefore: boolean,
): Promise<string> {
  const { cloud, ledger, runKey } = creation;
  let found = triedBefore ? await findByName(context, creation, markedName) : [];
  if (found.length === 0) {
    const created = await tryCreate(context, creation, markedName);
    found = await look(context, creation, markedName, created === undefined ? 1 : 0);
    if (created !== undefined && !found.includes(created)) found.push(created);
  }
  const [id, ...doubles] = found.toSorted();
  if (id === undefined) {
    throw new CourierError('NDI_E_CLOUD_UNAVAILABLE', { detail: 'Creating the dataset had no effect.' });
  }
  for (const double of doubles) await cloud.datasets.delete(double, 'now', context.signal);
  if (doubles.length > 0) ledger.audit(runKey, 'removed doubles of the new dataset', { doubles });
  return id;
}

/**
 * Removes doubles that a slow replica showed only after the dataset was created, and closes the creation. The dataset
 * itself may still be listed under its mark, by a replica that has not heard of the new name.
 */
export async function sweepDoubles(
  context: StepContext,
  {
    cloud,
    ledger,
    runKey,
    cloudDatasetId,
  }: Pick<Creation, 'cloud' | 'ledger' | 'runKey'> & { cloudDatasetId: string },
): Promise<void> {
  const begun = begunCreation(ledger);
  if (begun?.id !== cloudDatasetId) return;
  const { organizationId, markedName } = begun;
  const found = await findByName(context, { cloud, organizationId }, markedName);
  const doubles = found.filter((id) => id !== cloudDatasetId);
  for (const double of doubles) await cloud.datasets.delete(double, 'now', context.signal);
  if (doubles.length > 0) ledger.audit(runKey, 'removed doubles of the new dataset', { doubles });
  ledger.setDatasetFact(FACT, null);
}

/** A replica may not know a new dataset for a while (contract §3.4: a GET right after a create may be 404). */
const UNKNOWN_AT_MOST_MS = 5 * 60_000;

/** A 404 on a dataset that this run has just created means "not yet"; any other error is what it is. */
export function unlessJustCreated(ledger: Ledger, runKey: string, error: unknown): unknown {
  if (!isCourierError(error, 'NDI_E_NOT_FOUND')) return error;
  return isYoung(ledger.fact(runKey, 'createdAt') ?? null) ? notYet(error) : error;
}

const isYoung = (createdAt: string | null): boolean =>
  Date.now() - Date.parse(createdAt ?? '') < UNKNOWN_AT_MOST_MS;

const notYet = (cause: CourierError): CourierError =>
  new CourierError('NDI_E_NOT_READY', { detail: cause.detail ?? '', cause });

/** The new id, or undefined when nobody knows whether there is one. */
async function tryCreate(
  context: StepContext,
  { cloud, organizationId, metadata }: Creation,
  markedName: string,
): Promise<string | undefined> {
  try {
    const body = { ...metadata, name: markedName };
    return (await cloud.datasets.create(organizationId, body, context.signal)).id;
  } catch (error) {
    if (mayHaveHappened(error)) return undefined;
    throw error;
  }
}

/** Looks until at least so many are listed, or it has looked often enough. */
async function look(
  context: StepContext,
  creation: Creation,
  name: string,
  atLeast: number,
): Promise<string[]> {
  const { pollMinMs, pollMaxMs } = creation.tuning;
  for (let n = 0; ; n += 1) {
    const found = await findByName(context, creation, name);
    if (found.length >= atLeast || n >= LOOKS) return found;
    await sleep(backoffMs(n, pollMinMs, pollMaxMs), context.signal);
  }
}

async function findByName(
  context: StepContext,
  { cloud, organizationId }: Pick<Creation, 'cloud' | 'organizationId'>,
  name: string,
): Promise<string[]> {
  const found = new Set<string>();
  for (let page = 1; ; page += 1) {
    const query = { organizationId, page, pageSize: DATASET_PAGE_SIZE };
    const { rows, totalNumber } = await cloud.datasets.list(query, context.signal);
    for (const row of rows) if (row.name === name) found.add(row.id);
    const seen = (page - 1) * DATASET_PAGE_SIZE + rows.length;
    // As with documents: a total may be too small, and a page shorter than asked for.
    const isLast = rows.length < DATASET_PAGE_SIZE && totalNumber !== undefined && seen >= totalNumber;
    if (rows.length === 0 || isLast) return [...found];
  }
}
