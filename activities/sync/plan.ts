/**
 * The plan of a sync: the planner's decisions on what was seen, kept in the ledger. Items that need nothing
 * are counted; items that both sides have alike, and the base did not know, go into the base.
 */
import { DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewDecision, Observation } from '../../ledger/sync-ledger.ts';
import type { ItemKind, NewPlanItem } from '../../ledger/types.ts';
import { createTally, type GateReason, gateReasons, heldActions } from '../../sync/gate.ts';
import { createInclusion, type RuleSubject, rulesFingerprint } from '../../sync/include.ts';
import { plan } from '../../sync/plan.ts';
import { policyFor } from '../../sync/policies.ts';
import type { Decision, HeldItem, PlanOptions } from '../../sync/types.ts';
import type { ApprovalRequest, SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { inBatches } from '../shared/batches.ts';
import { createPacer } from '../shared/poll.ts';
import { createItemWriter } from '../shared/units.ts';
import { readGivenPlan } from './given-plan.ts';
import { decidedPolicies } from './inbox.ts';
import { isUsable } from './observe-cloud.ts';
import { CLOUD } from './observe-local.ts';

const KINDS = ['document', 'file'] as const;

/** Decides every item that was seen. Done again after a crash, it starts anew. */
export async function decideAll(scope: RunScope, input: SyncInput): Promise<void> {
  const { ledger } = scope;
  beginPlan(scope);
  const options = planOptions(ledger, input);
  const given = input.planPath === null ? undefined : readGivenPlan(scope, input.planPath);
  const unchanged = { documents: 0, files: 0 };
  const tally = createTally();
  const items = createItemWriter(ledger);
  const kept = inBatches<NewDecision>((batch) => ledger.sync.addDecisions(batch));
  const pause = createPacer(scope, (count) => `deciding: ${count}`);
  for (const kind of KINDS) {
    for (const decision of decisions(ledger, options(kind))) {
      await pause();
      if (kind === 'document') tally.count(decision);
      if (needsNothing(decision)) unchanged[kind === 'document' ? 'documents' : 'files'] += 1;
      if (decision.action === 'agree') items.add(agreedItem(ledger, decision));
      if (decision.action === 'none' || decision.action === 'agree') continue;
      if (given !== undefined && !given.takes(decision)) continue;
      kept.add(keptOf(ledger, decision));
    }
  }
  given?.end();
  kept.flush();
  items.flush();
  ledger.facts.set(RUN_FACTS.unchanged, unchanged);
  holdBack(ledger, reasonsToAsk(ledger, input, tally));
}

/** The process that looked need not be the one that plans. What was seen stays, with its problems. */
function beginPlan({ ledger, ref }: RunScope): void {
  const { cloudDatasetId } = ref;
  ledger.together(() => {
    const problems = ledger.problems.list(Number.MAX_SAFE_INTEGER);
    ledger.plan.begin({ operation: 'sync', direction: 'down', cloudDatasetId });
    for (const problem of problems) ledger.problems.add(problem);
    ledger.sync.forgetDecisions();
  });
}

const needsNothing = ({ reason }: Decision): boolean => reason === 'equal' || reason === 'unchanged';

/** What is held back depends on all decisions: it is marked when they are there. */
function holdBack({ sync, facts }: RunLedger, reasons: readonly GateReason[]): void {
  const held = { deletesLocal: 0, deletesCloud: 0, updates: 0 };
  for (const action of heldActions(reasons)) {
    const count = sync.hold(action);
    if (action === 'delete-local') held.deletesLocal += count;
    else if (action === 'delete-cloud') held.deletesCloud += count;
    else held.updates += count;
  }
  facts.set(RUN_FACTS.gate, { reasons: [...reasons], ...held });
}

/** What waits for a person; null when nothing does. */
export function approvalOf({ facts }: RunLedger): ApprovalRequest | null {
  const gate = facts.get(RUN_FACTS.gate);
  if (gate === undefined || gate.deletesLocal + gate.deletesCloud + gate.updates === 0) return null;
  return facts.get(RUN_FACTS.approval) === undefined ? gate : null;
}

function reasonsToAsk(
  { dataset }: RunLedger,
  input: SyncInput,
  tally: ReturnType<typeof createTally>,
): GateReason[] {
  // A person has decided these one by one, or has looked at the plan.
  if (input.only === 'decided' || input.planPath !== null) return [];
  const known = dataset.facts.get(DATASET_FACTS.generation)?.rules;
  const rulesChanged = known != null && known !== rulesFingerprint(input.rules);
  return gateReasons(tally.end(), { mode: input.mode, cap: input.maxDelete, rulesChanged });
}

function planOptions(ledger: RunLedger, input: SyncInput): (kind: ItemKind) => PlanOptions {
  const decided = decidedPolicies(ledger);
  const isIncluded = createInclusion(input.rules);
  const isBaseLost = ledger.facts.get(RUN_FACTS.baseLost) !== undefined;
  const isCloudComplete = ledger.facts.get(RUN_FACTS.listsDisagree) !== true;
  const isAlike = isEveryDocumentAlike(input);
  // Rules and policies speak of documents; a file goes with the one that names it.
  const documentOf = (kind: ItemKind, item: HeldItem): RuleSubject =>
    kind === 'document' || isAlike ? item : namingDocument(ledger, item.id);
  return (kind) => ({
    kind,
    mode: input.mode,
    isBaseLost,
    isCloudComplete,
    deletes: input.deletes,
    policyFor: (item) =>
      decided.get(item.id) ?? policyFor(input.conflicts, documentOf(kind, item).className ?? ''),
    isDecided: (id) => decided.has(id),
    includes: (item) => isIncluded(documentOf(kind, item)) && (input.only === 'all' || decided.has(item.id)),
  });
}

/** Nothing is asked of the document of each file, then. */
const isEveryDocumentAlike = ({ rules, conflicts }: SyncInput): boolean =>
  rules.include.length + rules.exclude.length + Object.keys(conflicts.byClass).length === 0;

/** A file that no document names is of none: a rule that includes something does not include it. */
function namingDocument({ sync }: RunLedger, uid: string): RuleSubject {
  const file = sync.observation('local', 'file', uid) ?? sync.observation('cloud', 'file', uid);
  const id = file?.documentId ?? '';
  const document = sync.observation('local', 'document', id) ?? sync.observation('cloud', 'document', id);
  return document === undefined ? { id } : heldItem(document);
}

/** The decisions on what was seen, in the order of ids. The same each time. */
function decisions(ledger: RunLedger, options: PlanOptions): Generator<Decision> {
  const { kind, isBaseLost } = options;
  return plan(
    {
      local: heldBy(ledger, 'local', kind),
      cloud: kind === 'document' ? cloudDocuments(ledger) : heldBy(ledger, 'cloud', kind),
      base: isBaseLost ? [] : ledger.dataset.base.versions(kind),
    },
    options,
  );
}

/** Documents that nobody read stand in the list alone; the others were observed, and both are in one order. */
function* cloudDocuments({ sync, listings }: RunLedger): Generator<HeldItem> {
  const observed = sync.observed('cloud', 'document');
  let next = observed.next();
  let last = '';
  for (const { id, cloudId } of listings.rows('document', CLOUD)) {
    if (id === last || !isUsable(id, cloudId)) continue;
    last = id;
    if (next.value?.id !== id) yield { id, version: null };
    else {
      yield heldItem(next.value);
      next = observed.next();
    }
  }
}

function* heldBy(ledger: RunLedger, side: 'local' | 'cloud', kind: ItemKind): Generator<HeldItem> {
  for (const row of ledger.sync.observed(side, kind)) yield heldItem(row);
}

const heldItem = ({ id, version, contentKey, className, name, aside }: Observation): HeldItem => ({
  id,
  version,
  contentKey: contentKey ?? undefined,
  className: className ?? undefined,
  name: name ?? undefined,
  aside: (aside ?? undefined) as HeldItem['aside'],
});

function keptOf(ledger: RunLedger, decision: Decision): NewDecision {
  const { kind, id, action, reason, local, cloud, base, contentKey } = decision;
  const there = ledger.sync.observation('cloud', kind, id);
  const here = ledger.sync.observation('local', kind, id);
  return {
    kind,
    id,
    action,
    reason,
    local,
    cloud,
    base,
    contentKey: contentKey ?? null,
    cloudId: there?.cloudId ?? ledger.listings.row(kind, CLOUD, id)?.cloudId ?? null,
    name: here?.name ?? there?.name ?? here?.className ?? there?.className ?? null,
    isHeld: false,
  };
}

/** Both sides were read, and are equal: the base learns it. */
function agreedItem({ sync }: RunLedger, { kind, id, local }: Decision): NewPlanItem {
  const here = sync.observation('local', kind, id);
  const there = sync.observation('cloud', kind, id);
  const { sizeBytes, textHash, mtimeMs, inode, documentId, name, path } = here ?? {};
  const digest = local?.startsWith('md5:') ? local.slice('md5:'.length) : null;
  return {
    kind,
    id,
    unit: null,
    action: 'none',
    state: 'skipped',
    sizeBytes: sizeBytes ?? 0,
    cloudId: there?.cloudId ?? null,
    ...(kind === 'document'
      ? { sha256Hex: local, textHash: textHash ?? null, cloudHash: local, cloudHow: 'read-back' }
      : {
          md5Hex: digest,
          ...(digest === null ? {} : { cloudMd5Hex: digest, cloudHow: 'read-back' }),
          mtimeMs: mtimeMs ?? null,
          inode: inode ?? null,
          documentId: documentId ?? null,
          name: name ?? null,
          path: path ?? null,
        }),
  };
}
