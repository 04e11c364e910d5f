/**
 * JSON as NDI speaks it: bare `NaN`, `Infinity` and `-Infinity` come in, and are kept as the strings that the
 * bulk-download hands out (`"__NDI__NaN__"`, …; NDI Cloud contract §4.3). Stored text is always valid JSON,
 * so SQLite and `JSON.parse` can read it; the literals are put back where the cloud answers with literals.
 */

const STRING_OR_LITERAL = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|-?Infinity|NaN/g;
const STRING = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"/g;

const SENTINELS: Readonly<Record<string, string>> = {
  '"__NDI__NaN__"': 'NaN',
  '"__NDI__Infinity__"': 'Infinity',
  '"__NDI__-Infinity__"': '-Infinity',
};

/**
 * Parses JSON text that may hold bare NaN/Infinity; those arrive as sentinel strings. Throws `SyntaxError`.
 */
export function parseLenient(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!text.includes('NaN') && !text.includes('Infinity')) throw error;
    return JSON.parse(text.replace(STRING_OR_LITERAL, (m) => (m.startsWith('"') ? m : `"__NDI__${m}__"`)));
  }
}

/** Sentinel strings of stored text become bare literals: what E3 and E8 answer (§9.3 item 3). */
export function withLiterals(text: string): string {
  return text.includes('"__NDI__') ? text.replace(STRING, (m) => SENTINELS[m] ?? m) : text;
}

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Splits a JSON text that arrives in pieces into the texts of its elements: those of a top-level array, or
 * the one top-level value. Memory is bounded by the largest element, so an 80,000-document zip costs as much
 * as one document. Only the outline is checked; the elements are the caller's to parse. Throws `SyntaxError`
 * on a broken outline.
 */
export async function* splitElements(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const scanner = new ElementScanner();
  for await (const chunk of chunks) {
    const found = scanner.feed(chunk);
    for (const element of found) yield element;
  }
  const last = scanner.finish();
  if (last !== undefined) yield last;
}

/** The scanner's state lives between chunks; one method so that the hot loop keeps its variables local. */
class ElementScanner {
  private array: boolean | undefined;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private inElement = false;
  private closed = false;
  private afterComma = false;
  private parts: Uint8Array[] = [];

  feed(chunk: Uint8Array): string[] {
    const found: string[] = [];
    let { depth, inString, escaped, inElement } = this;
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === 0x5c) escaped = true;
        else if (byte === 0x22) inString = false;
        continue;
      }
      if (byte > 0x22 && byte !== 0x2c && (byte | 0x20) !== 0x7b && (byte | 0x20) !== 0x7d) {
        // Not a quote, comma, bracket or brace, nor white space: the inside of some scalar.
        if (inElement) continue;
      } else if (isSpace(byte)) continue;
      if (this.closed) throw new SyntaxError('text after the end of the JSON value');
      if (this.array === undefined) {
        this.array = byte === 0x5b;
        if (this.array) continue;
      }
      const closes = (byte | 0x20) === 0x7d;
      if (depth === 0 && this.array && (byte === 0x2c || closes)) {
        if (byte === 0x7d) throw new SyntaxError('unbalanced brace');
        if (inElement) {
          found.push(this.take(chunk.subarray(start, i)));
          inElement = false;
        } else if (byte === 0x2c || this.afterComma) throw new SyntaxError('empty array element');
        this.afterComma = byte === 0x2c;
        if (closes) this.closed = true;
        continue;
      }
      if (!inElement) {
        inElement = true;
        start = i;
      }
      if (byte === 0x22) inString = true;
      else if ((byte | 0x20) === 0x7b) depth++;
      else if (closes && --depth < 0) throw new SyntaxError('unbalanced bracket');
    }
    if (inElement) this.parts.push(chunk.slice(start));
    Object.assign(this, { depth, inString, escaped, inElement });
    return found;
  }

  finish(): string | undefined {
    if (this.array === undefined) throw new SyntaxError('empty JSON text');
    if (this.array) {
      if (!this.closed) throw new SyntaxError('unterminated JSON array');
      return undefined;
    }
    return this.take(new Uint8Array());
  }

  private take(tail: Uint8Array): string {
    const bytes = this.parts.length === 0 ? tail : Buffer.concat([...this.parts, tail]);
    this.parts = [];
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }
}
