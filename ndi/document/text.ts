/** Bytes of a document as text, so that bytes which are no text are never taken for some. */

/** Where UTF-8 decoding has replaced something, or where the text itself has U+FFFD. */
export const mayHaveLostBytes = (text: string): boolean => text.includes('\ufffd');

/**
 * The text of UTF-8 bytes. From the first byte on that is no UTF-8 (mksqlite writes Latin-1), each byte above
 * 127 becomes a lone surrogate, U+DC80 to U+DCFF, as in Python's `surrogateescape`: `parseDocument` refuses
 * these with their position.
 */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  if (!mayHaveLostBytes(text)) return text;
  const again = Buffer.from(text);
  if (again.equals(buffer)) return text;
  const from = buffer.findIndex((byte, index) => byte !== again[index]);
  const rest = buffer
    .toString('latin1', from)
    .replace(/[\x80-\xff]/g, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0)));
  return buffer.toString('utf8', 0, from) + rest;
}
