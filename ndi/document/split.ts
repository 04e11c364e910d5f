/**
 * The documents of a large JSON array, one at a time.
 *
 * The cloud's bulk download is one array of up to 2,000 documents, 50–200 MB. Only one element is held; an
 * element's text is not parsed here, so that one bad document does not lose the others.
 */
import { CourierError } from '../../errors/index.ts';
import { MAX_DOCUMENT_BYTES } from './bounds.ts';
import { decodeText } from './text.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

type Expect = 'start' | 'first' | 'element' | 'separator' | 'end';

/**
 * Cuts an array that arrives in pieces. Holds the bytes of one unfinished element, and of one that is too
 * large nothing.
 */
export interface ArraySplitter {
  /** Elements that were passed over because they have more bytes than may be held. */
  readonly tooLarge: number;
  /** The elements that end in `chunk`, as text. @throws NDI_E_BAD_JSON with the byte position. */
  push(chunk: Uint8Array): string[];
  /** Call once after the last chunk. @throws NDI_E_BAD_JSON when the array did not end. */
  end(): void;
}

/**
 * A single object instead of an array is one element: both are found in the cloud's archives (contract §4.5).
 */
export function createArraySplitter(maxElementBytes: number = MAX_DOCUMENT_BYTES): ArraySplitter {
  let expect: Expect = 'start';
  let depth = 0;
  let inString = false;
  let escaped = false;
  let single = false;
  let parts: Buffer[] = [];
  let heldBytes = 0;
  let tooLarge = 0;
  let inElement = false;
  let offset = 0;

  const fail = (at: number, expected: string): never => {
    throw new CourierError('NDI_E_BAD_JSON', { detail: `At byte ${at}: expected ${expected}.` });
  };

  /** Keeps the bytes of the element; false, and nothing is kept, once it has too many. */
  const hold = (bytes: Buffer): boolean => {
    heldBytes += bytes.length;
    if (heldBytes > maxElementBytes) parts = [];
    else parts.push(bytes);
    return heldBytes <= maxElementBytes;
  };

  const finish = (out: string[], tail: Buffer): void => {
    const fits = hold(tail);
    const text = fits ? decodeText(Buffer.concat(parts)).trimEnd() : '';
    parts = [];
    heldBytes = 0;
    inElement = false;
    expect = single ? 'end' : 'separator';
    if (fits) out.push(text);
    else tooLarge += 1;
  };

  /** The index after the string's closing quote, or the length when it goes on in the next chunk. */
  const passString = (bytes: Buffer, from: number): number => {
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at]!;
      at += 1;
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) {
        inString = false;
        return at;
      }
    }
    return at;
  };

  const begin = (byte: number, at: number): 'element' | 'consumed' => {
    if (expect === 'start') {
      if (byte === OPEN_ARRAY) {
        expect = 'first';
        return 'consumed';
      }
      if (byte !== OPEN_OBJECT) fail(offset + at, 'an array or an object');
      single = true;
      return 'element';
    }
    if (expect === 'separator' || (expect === 'first' && byte === CLOSE_ARRAY)) {
      if (byte === COMMA) expect = 'element';
      else if (byte === CLOSE_ARRAY) expect = 'end';
      else fail(offset + at, '"," or "]"');
      return 'consumed';
    }
    if (expect === 'end') fail(offset + at, 'nothing more');
    if (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) fail(offset + at, 'a value');
    return 'element';
  };

  const push = (chunk: Uint8Array): string[] => {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const out: string[] = [];
    let from = 0;
    let at = offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    while (at < bytes.length) {
      if (inString) {
        at = passString(bytes, at);
        continue;
      }
      const byte = bytes[at]!;
      if (!inElement) {
        if (!isSpace(byte) && begin(byte, at) === 'element') {
          inElement = true;
          from = at;
          continue;
        }
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
      else if (depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT)) {
        // A bare number or word ends where its separator stands: that byte is looked at again.
        finish(out, bytes.subarray(from, at));
        continue;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        depth -= 1;
        // An object or array is whole here, whatever follows it.
        if (depth === 0) finish(out, bytes.subarray(from, at + 1));
      }
      at += 1;
    }
    // Copied: the caller may use its buffer again.
    if (inElement) hold(Buffer.from(bytes.subarray(from)));
    offset += bytes.length;
    return out;
  };

  const end = (): void => {
    if (expect !== 'end') fail(offset, 'the end of the array');
  };
  return {
    push,
    end,
    get tooLarge() {
      return tooLarge;
    },
  };
}
