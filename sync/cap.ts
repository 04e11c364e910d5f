/** `--max-delete`: how many documents a run may delete before it asks. */
import { CourierError } from '../errors/index.ts';

/** So many documents, or so many of a hundred of those on the side that has fewer. */
export type DeleteCap = { readonly documents: number } | { readonly percent: number };

const PERCENT = /^(\d{1,3}(?:\.\d{1,2})?) ?%$/;
const COUNT = /^\d{1,15}$/;

/** `50` or `5%`; a percentage may have two decimals. @throws NDI_E_USAGE */
export function parseDeleteCap(text: string): DeleteCap {
  const trimmed = text.trim();
  if (COUNT.test(trimmed)) return { documents: Number(trimmed) };
  const percent = Number(PERCENT.exec(trimmed)?.[1] ?? Number.NaN);
  if (percent <= 100) return { percent };
  throw new CourierError('NDI_E_USAGE', {
    detail:
      `${JSON.stringify(text.slice(0, 40))} is no limit of deletions. ` +
      'Give a number of documents, such as 50, or a percentage from 0% to 100%, such as 5%.',
  });
}

/** As it is typed. */
export const formatDeleteCap = (cap: DeleteCap): string =>
  'documents' in cap ? String(cap.documents) : `${cap.percent}%`;

/**
 * The deletions that a cap allows. The side that has fewer documents counts: a side that was emptied by
 * mistake allows none, however many the other side has. Parts of a document are cut off.
 */
export function allowedDeletes(
  cap: DeleteCap,
  held: { readonly local: number; readonly cloud: number },
): number {
  if ('documents' in cap) return cap.documents;
  const hundredths = Math.round(cap.percent * 100);
  return Math.floor((Math.min(held.local, held.cloud) * hundredths) / 10_000);
}
