/**
 * A plan that a person has looked at, carried out as it is: the planner decides again, and its decisions must
 * be those of the file. An item that has moved since ends the run before anything is done.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readSourceText } from '../../disk/source.ts';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Decision } from '../../sync/types.ts';
import type { RunScope } from '../deps.ts';

const item = z.object({
  kind: z.enum(['document', 'file']),
  id: z.string(),
  action: z.string(),
  reason: z.string(),
  local: z.string().nullable(),
  cloud: z.string().nullable(),
  base: z.string().nullable(),
});

const planFile = z.looseObject({
  version: z.literal(1),
  ndiDatasetId: z.string(),
  cloudDatasetId: z.string(),
  items: z.array(item),
  digest: z.string(),
});

type GivenItem = z.output<typeof item>;

export interface GivenPlan {
  /**
   * Whether the plan has this decision. False for an item that came up since: it waits for the next sync.
   * @throws NDI_E_PLAN_MOVED for one that has moved
   */
  takes(decision: Decision): boolean;
  /** @throws NDI_E_PLAN_MOVED when the plan has an item that needs nothing any more */
  end(): void;
}

/** What `resolve.ts` makes of a conflict is in the file instead of the planner's own word. */
const RESOLVED: Readonly<Record<string, readonly string[]>> = {
  'keep-both': ['update-local', 'conflict'],
  merge: ['update-both', 'conflict'],
};

/** @throws NDI_E_PLAN_FILE for a file that is no plan, was edited, or is of another dataset */
export function readGivenPlan({ ref }: Pick<RunScope, 'ref'>, path: string): GivenPlan {
  const { cloudDatasetId, items } = parse(path);
  if (cloudDatasetId !== ref.cloudDatasetId)
    throw new CourierError('NDI_E_PLAN_FILE', { detail: `It is of the cloud dataset ${cloudDatasetId}.` });
  // The copy of a document that is kept beside the other has a new id each time.
  const left = new Map(
    items.filter(({ action }) => action !== 'add-both').map((one) => [`${one.kind} ${one.id}`, one]),
  );
  return {
    takes: (decision) => {
      const key = `${decision.kind} ${decision.id}`;
      const given = left.get(key);
      if (given === undefined) return false;
      if (!isSame(given, decision)) throw moved(given);
      left.delete(key);
      return true;
    },
    end: () => {
      const [first] = left.values();
      if (first !== undefined) throw moved(first);
    },
  };
}

function isSame(given: GivenItem, decision: Decision): boolean {
  const { action, local, cloud, base } = decision;
  const isAction = given.action === action || (RESOLVED[action]?.includes(given.action) ?? false);
  return isAction && given.local === local && given.cloud === cloud && given.base === base;
}

const moved = ({ kind, id, action }: GivenItem): CourierError =>
  new CourierError('NDI_E_PLAN_MOVED', { detail: `It is the ${kind} ${id} (${action}).` });

function parse(path: string): z.output<typeof planFile> {
  try {
    const text = readSourceText(path);
    const plan = planFile.parse(JSON.parse(text));
    const end = text.lastIndexOf('\n],"digest":');
    const digest = createHash('sha256').update(text.slice(0, end)).digest('hex');
    if (digest !== plan.digest) throw new CourierError('NDI_E_PLAN_FILE', { detail: `${path} was edited.` });
    return plan;
  } catch (cause) {
    if (isCourierError(cause, 'NDI_E_PLAN_FILE')) throw cause;
    throw new CourierError('NDI_E_PLAN_FILE', { detail: path, cause });
  }
}
