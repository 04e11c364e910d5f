/**
 * Creating a cloud dataset exactly once. The API has no idempotency key, and a create that answers 504 is common
 * (contract §2.4 D1), so the dataset is born under a name nobody else can have, found again by it, and then renamed.
 */
import { randomUUID } from 'node:crypto';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Ledger } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import type { Tuning } from '../../workflows/contracts.ts';
import { mayHaveHappened } from '../ambiguous.ts';
import type { StepContext } from '../deps.ts';
import { backoffMs, sleep } from '../sleep.ts';

const DATASET_PAGE_SIZE = 200;
/** How many looks a create without an answer gets before it is said to have failed. */
const LOOKS = 8;

export interface Creation {
  readonly cloud: CloudClient;
  readonly ledger: Ledger;
  readonly runKey: string;
  readonly organizationId: string;
  readonly metadata: { readonly name: string };
  readonly tuning: Tuning;
}

/** Returns the id of the one dataset that this run created, however often it was tried. */
export async function createDatasetOnce(context: StepContext, creation: Creation): Promise<string> {
  const { cloud, ledger, runKey, metadata } = creation;
  let id = ledger.fact(runKey, 'createdId');
  if (id === undefined) {
    id = await createUnderMark(context, creation);
    ledger.setFact(runKey, 'createdAt', new Date().toISOString());
    // On disk before the mark goes: whether or not the renaming was heard of, nothing would be found by it again.
    ledger.setFact(runKey, 'createdId', id);
  }
  await cloud.datasets.update(id, { name: metadata.name }, context.signal);
  return id;
}

async function createUnderMark(context: StepContext, creation: Creation): Promise<string> {
  const { cloud, ledger, runKey } = creation;
  const earlier = ledger.fact(runKey, 'createMark');
  const mark = earlier ?? randomUUID();
  // On disk before the first request: a second try must know what to look for.
  if (earlier === undefined) ledger.setFact(runKey, 'createMark', mark);
  const markedName = nameWithMark(creation.metadata.name, mark);

  let found = earlier === undefined ? [] : await findByName(context, creation, markedName);
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

/** Removes doubles that a slow replica showed only after the dataset was created. Returns how many. */
export async function sweepDoubles(
  context: StepContext,
  creation: Omit<Creation, 'tuning'>,
): Promise<number> {
  const mark = creation.ledger.fact(creation.runKey, 'createMark');
  if (mark === undefined) return 0;
  const doubles = await findByName(context, creation, nameWithMark(creation.metadata.name, mark));
  for (const double of doubles) await creation.cloud.datasets.delete(double, 'now', context.signal);
  return doubles.length;
}

/** A replica may not know a new dataset for a while (contract §3.4: a GET right after a create may be 404). */
const UNKNOWN_AT_MOST_MS = 5 * 60_000;

/** A 404 on a dataset that this run has just created means "not yet"; any other error is what it is. */
export function unlessJustCreated(ledger: Ledger, runKey: string, error: unknown): unknown {
  if (!isCourierError(error, 'NDI_E_NOT_FOUND')) return error;
  const createdAt = Date.parse(ledger.fact(runKey, 'createdAt') ?? '');
  const young = Date.now() - createdAt < UNKNOWN_AT_MOST_MS;
  return young ? new CourierError('NDI_E_NOT_READY', { detail: error.detail ?? '', cause: error }) : error;
}

const nameWithMark = (name: string, mark: string): string => `${name} [ndi-courier ${mark}]`;

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
    if (rows.length === 0 || seen >= (totalNumber ?? Number.POSITIVE_INFINITY)) return [...found];
  }
}
