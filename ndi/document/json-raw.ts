/** `JSON.rawJSON` and `JSON.isRawJSON` of Node 24; the TypeScript library does not know them yet. */
import type { RawNumber } from './types.ts';

interface JsonWithRaw {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): boolean;
}

const json = JSON as unknown as JsonWithRaw;

/** Keeps a number's text. The mark is lost by `structuredClone`; copy documents by parsing or with a walk. */
export const rawNumber = (text: string): RawNumber => json.rawJSON(text);

export const isRawNumber = (value: unknown): value is RawNumber => json.isRawJSON(value);
