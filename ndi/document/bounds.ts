/**
 * How large a document may be. A worker has 256 MiB for all that it holds at once, and a document is held as
 * text, as values and, while it is hashed, as sorted values. The cloud gives and takes 6 MB in one piece (NDI
 * Cloud contract §4.4); more only fits into zips.
 */
import { CourierError } from '../../errors/index.ts';

export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/**
 * Measured: a million whole numbers take 100 MB of heap until they are hashed, four million end the worker.
 */
export const MAX_DOCUMENT_VALUES = 1_000_000;

/**
 * Refuses a text that would become more than a worker can hold, before it is parsed.
 * @throws NDI_E_DOCUMENT_TOO_LARGE
 */
export function ensureBounded(text: string): void {
  if (text.length > MAX_DOCUMENT_BYTES) {
    throw tooLarge(`${text.length} characters are more than ${MAX_DOCUMENT_BYTES}.`);
  }
  // A value takes a character at least, so most documents need no counting.
  if (text.length > MAX_DOCUMENT_VALUES && hasMoreValues(text, MAX_DOCUMENT_VALUES)) {
    throw tooLarge(`It holds more than ${MAX_DOCUMENT_VALUES} values.`);
  }
}

const tooLarge = (detail: string): CourierError => new CourierError('NDI_E_DOCUMENT_TOO_LARGE', { detail });

const [QUOTE, BACKSLASH, COMMA, OPEN_BRACKET, OPEN_BRACE] = [34, 92, 44, 91, 123];

/**
 * Whether JSON text has more than `most` values: one for each comma and each bracket that opens. Parses
 * nothing.
 */
export function hasMoreValues(text: string, most: number): boolean {
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = text.indexOf('"', at + 1);
      while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
      // A string without an end: the parser says so.
      if (at === -1) return false;
    } else if (code === COMMA || code === OPEN_BRACKET || code === OPEN_BRACE) {
      values += 1;
      if (values > most) return true;
    }
  }
  return false;
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}
