/** Documents as they are read for sending. */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument, textForCloud } from '../../ndi/document/codec.ts';
import { failItem } from '../shared/units.ts';
import { textHashOf } from './plan-documents.ts';
import type { Sending } from './sending.ts';

/**
 * The text of an item as the cloud can read it; its hashes are noted: what goes out is what will be compared
 * with. Undefined for a document that is gone, which becomes a problem.
 */
export function textToSend(scope: Sending, reader: DatasetReader, item: PlanItem): string | undefined {
  const stored = reader.document(item.id);
  if (stored === undefined) {
    failItem(scope, item, new CourierError('NDI_E_FILE_CHANGED', { detail: `Document ${item.id} is gone.` }));
    return undefined;
  }
  const textHash = textHashOf(stored.text);
  if (item.textHash === textHash && item.sha256Hex !== null) return textForCloud(stored.text);
  let sha256Hex: string;
  try {
    sha256Hex = canonicalHash(parseDocument(stored.text));
  } catch (error) {
    if (!isCourierError(error)) throw error;
    failItem(scope, item, error);
    return undefined;
  }
  scope.ledger.items.mark('document', [item.id], { state: item.state, sha256Hex, textHash });
  return textForCloud(stored.text);
}
