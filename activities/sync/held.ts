/** Documents as a side holds them, put into the words of the ledger. */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewObservation } from '../../ledger/sync-ledger.ts';
import type { BaseItem, ItemKind } from '../../ledger/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { asObject } from '../../ndi/document/describe.ts';
import type { DocumentFacts, NdiDocument } from '../../ndi/document/types.ts';

const LINK_CLASS = 'dataset_remote';

/** Equal for documents that differ in their id only: one of them was renamed. */
export const contentKeyOf = (document: NdiDocument): string =>
  canonicalHash({ ...document, base: { ...asObject(document.base), id: '' } });

/** Items of the base, while it is of these two sides. */
export function trustedBase({
  facts,
  dataset,
}: RunLedger): (kind: ItemKind, id: string) => BaseItem | undefined {
  const isLost = facts.get(RUN_FACTS.baseLost) !== undefined;
  return (kind, id) => (isLost ? undefined : dataset.base.item(kind, id));
}

/** What a rule, a policy or a person asks of a document. */
export const namesOf = ({ className, name }: DocumentFacts): Partial<NewObservation> => ({
  className,
  name: name === '' ? null : name,
  aside: className === LINK_CLASS ? 'link' : null,
});
