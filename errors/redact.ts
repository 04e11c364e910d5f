/** The one rule for addresses in text that people or logs may see. */

/**
 * A URL up to its `?`, and its query. JSON may write `\/` for `/` and `\u0026` for `&`, so a backslash ends
 * neither. An apostrophe ends the query only where it closes a quotation.
 */
const QUERY = /(\bhttps?:[^\s"<>?]+)\?(?:[^\s"'<>]|'(?=[^\s"'<>,;.:)\]}]))*/gi;

/**
 * `text` with `instead` in place of the query of every URL. A URL may be presigned: whoever sees its query
 * may read or write the bytes while it lives.
 */
export const withoutQueries = (text: string, instead = '?…'): string =>
  text.replace(QUERY, (_, address: string) => address + instead);
