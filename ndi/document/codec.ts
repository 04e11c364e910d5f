/**
 * Documents between text and value.
 *
 * The text of a document is the truth: what is parsed and written again says the same, number text included
 * (`1.10`, `1e400`, `-0`), and unknown keys stay. Clean JSON takes `JSON.parse`; the rest takes
 * `tolerant.ts`.
 */
import { CourierError } from '../../errors/index.ts';
import { ensureBounded } from './bounds.ts';
import { rawNumber } from './json-raw.ts';
import { badJson, MAX_DEPTH, parseTolerant } from './tolerant.ts';
import type { JsonValue, NdiDocument } from './types.ts';

/**
 * Text in which some number may not be what a double prints: 16 characters and more, an exponent, a fraction
 * that ends in 0, seven leading zeros. It also matches inside strings; then the slow path merely finds
 * nothing. A decimal of up to 15 digits, without those, is always printed back as it was.
 */
const ODD_NUMBER = /[[:,]\s*-?(?:\d[\d.]{15}|0\.0{6}|\d+(?:\.\d+)?[eE]|\d+\.\d*0[\s,\]}])/;

const needsTolerance = (text: string): boolean =>
  text.includes('NaN') || text.includes('Inf') || text.includes('__NDI__') || ODD_NUMBER.test(text);

/**
 * The document that `text` holds. Accepts bare NaN and ±Infinity and the cloud's sentinel strings for them.
 * @throws NDI_E_BAD_JSON with the position, also when the text is not an object or was not UTF-8 (see
 * `decodeText`);
 *   NDI_E_DOCUMENT_TOO_LARGE
 */
export function parseDocument(text: string): NdiDocument {
  ensureBounded(text);
  if (!text.isWellFormed()) throw badJson(text, text.search(/\p{Surrogate}/u), 'text in UTF-8');
  const value = needsTolerance(text) ? parseTolerant(text) : parseClean(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badJson(text, 0, 'an object');
  }
  return value as NdiDocument;
}

function parseClean(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // Slower, and says where.
    return parseTolerant(text);
  }
  // Nesting costs at least one bracket per level, so short documents need no walk.
  if (text.length > MAX_DEPTH && isDeeperThan(value, MAX_DEPTH)) {
    throw badJson(text, 0, `at most ${MAX_DEPTH} levels`);
  }
  return value;
}

function isDeeperThan(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels < 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (isDeeperThan(item, levels - 1)) return true;
    return false;
  }
  const object = value as NdiDocument;
  for (const key in object) if (isDeeperThan(object[key]!, levels - 1)) return true;
  return false;
}

const NOT_FOR_CLOUD = /^\ufeff|[[:,]\s*-?Inf\s*[,\]}]/;

/**
 * The text of a document as the cloud can read it: without a byte order mark, `Infinity` for MATLAB's `Inf`.
 * Any other text is returned as it is: one that the cloud cannot read would spoil the zip that it goes in.
 * @throws as `parseDocument`
 */
export const textForCloud = (text: string): string =>
  NOT_FOR_CLOUD.test(text) ? stringifyDocument(parseDocument(text)) : text;

const SENTINEL_LITERAL = /"__NDI__(NaN|-?Infinity)__"(?!:)/g;

/**
 * Compact JSON with the bare literals `NaN`, `Infinity`, `-Infinity`, as NDI stores and uploads it
 * (NDI Cloud contract §4.3: the cloud takes them, both clients expect them).
 */
export function stringifyDocument(document: NdiDocument): string {
  try {
    if (!hasSpecialNumber(document)) return JSON.stringify(document);
    // An escaped quote before a sentinel inside a string cannot match: the closing quote is then escaped too.
    return JSON.stringify(document, markSpecialNumber).replace(SENTINEL_LITERAL, '$1');
  } catch (cause) {
    // A value nested too deep, or one that refers to itself: neither can come from text.
    throw new CourierError('NDI_E_BAD_JSON', { detail: 'The document cannot be written as JSON.', cause });
  }
}

const isSpecial = (value: number): boolean => !Number.isFinite(value) || Object.is(value, -0);

function hasSpecialNumber(value: JsonValue): boolean {
  if (typeof value === 'number') return isSpecial(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasSpecialNumber);
  for (const key in value) if (hasSpecialNumber((value as NdiDocument)[key]!)) return true;
  return false;
}

function markSpecialNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || !isSpecial(value)) return value;
  return value === 0 ? rawNumber('-0') : `__NDI__${value}__`;
}
