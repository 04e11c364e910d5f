/**
 * A JSON parser for what NDI really stores: bare `NaN`, `Infinity`, `-Infinity` (and `Inf` of MATLAB's schema
 * files), the cloud's sentinel strings (NDI Cloud contract §4.3), and numbers whose text must survive.
 * Used only where `JSON.parse` cannot do it: it is about ten times slower.
 */
import { CourierError } from '../../errors/index.ts';
import { rawNumber } from './json-raw.ts';
import type { JsonObject, JsonValue } from './types.ts';

const SENTINELS: Readonly<Record<string, number>> = {
  __NDI__NaN__: Number.NaN,
  __NDI__Infinity__: Number.POSITIVE_INFINITY,
  '__NDI__-Infinity__': Number.NEGATIVE_INFINITY,
};

const WORD = /true|false|null|NaN|-?Inf(?:inity)?/y;
const WORDS: Readonly<Record<string, JsonValue>> = {
  true: true,
  false: false,
  null: null,
  NaN: Number.NaN,
  Inf: Number.POSITIVE_INFINITY,
  Infinity: Number.POSITIVE_INFINITY,
  '-Inf': Number.NEGATIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WHITESPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside strings.
const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y;
/** Deeper than any NDI document; keeps every later walk over a document from running out of stack. */
export const MAX_DEPTH = 512;

interface Cursor {
  readonly text: string;
  at: number;
}

/** The value of `text`. @throws NDI_E_BAD_JSON naming line, column and what was expected. */
export function parseTolerant(text: string): JsonValue {
  const cursor: Cursor = { text, at: text.charCodeAt(0) === 0xfeff ? 1 : 0 };
  skip(cursor);
  const value = parseValue(cursor, 0);
  skip(cursor);
  if (cursor.at < text.length) fail(cursor, 'nothing more');
  return value;
}

export function badJson(text: string, at: number, expected: string): CourierError {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  const found = at >= text.length ? 'the end' : JSON.stringify(text.slice(at, at + 12));
  return new CourierError('NDI_E_BAD_JSON', {
    detail: `At line ${line} column ${column} (character ${at}): expected ${expected}, found ${found}.`,
  });
}

function fail(cursor: Cursor, expected: string): never {
  throw badJson(cursor.text, cursor.at, expected);
}

/** The match of a sticky pattern at the cursor, which moves past it; empty when there is none. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  if (!pattern.test(cursor.text)) return '';
  const found = cursor.text.slice(cursor.at, pattern.lastIndex);
  cursor.at = pattern.lastIndex;
  return found;
}

function skip(cursor: Cursor): void {
  WHITESPACE.lastIndex = cursor.at;
  WHITESPACE.test(cursor.text);
  cursor.at = WHITESPACE.lastIndex;
}

/** Moves over `char` if it is next. */
function eat(cursor: Cursor, char: string): boolean {
  if (cursor.text[cursor.at] !== char) return false;
  cursor.at += 1;
  return true;
}

function parseValue(cursor: Cursor, depth: number): JsonValue {
  const first = cursor.text[cursor.at];
  if (depth > MAX_DEPTH && (first === '{' || first === '[')) fail(cursor, `at most ${MAX_DEPTH} levels`);
  switch (first) {
    case '{':
      return parseObject(cursor, depth);
    case '[':
      return parseArray(cursor, depth);
    case '"': {
      const text = parseString(cursor);
      return Object.hasOwn(SENTINELS, text) ? SENTINELS[text]! : text;
    }
    default:
      return parseNumberOrWord(cursor);
  }
}

function parseNumberOrWord(cursor: Cursor): JsonValue {
  const text = take(cursor, NUMBER);
  if (text !== '') {
    const value = Number(text);
    // -0 is a double like any other; only `String` hides it.
    return String(value) === text || text === '-0' ? value : (rawNumber(text) as JsonValue);
  }
  const word = take(cursor, WORD);
  if (word === '') fail(cursor, 'a value');
  return WORDS[word]!;
}

function parseString(cursor: Cursor): string {
  const start = cursor.at;
  cursor.at += 1;
  for (;;) {
    take(cursor, PLAIN_STRING);
    if (eat(cursor, '"')) break;
    // An escape: its validity is checked below, by the platform's own parser.
    if (!eat(cursor, '\\') || cursor.at >= cursor.text.length) fail(cursor, 'the end of a string');
    cursor.at += 1;
  }
  const literal = cursor.text.slice(start, cursor.at);
  // Not cut out: V8 keeps all of a text in memory for a piece of it, and an id would hold its document.
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw badJson(cursor.text, start, 'a string with valid escapes');
  }
}

function parseArray(cursor: Cursor, depth: number): JsonValue[] {
  const values: JsonValue[] = [];
  cursor.at += 1;
  skip(cursor);
  if (eat(cursor, ']')) return values;
  for (;;) {
    values.push(parseValue(cursor, depth + 1));
    skip(cursor);
    if (eat(cursor, ']')) return values;
    if (!eat(cursor, ',')) fail(cursor, '"," or "]"');
    skip(cursor);
  }
}

function parseObject(cursor: Cursor, depth: number): JsonObject {
  const object: JsonObject = {};
  cursor.at += 1;
  skip(cursor);
  if (eat(cursor, '}')) return object;
  for (;;) {
    if (cursor.text[cursor.at] !== '"') fail(cursor, 'a name in quotes');
    const key = parseString(cursor);
    skip(cursor);
    if (!eat(cursor, ':')) fail(cursor, '":"');
    skip(cursor);
    setMember(object, key, parseValue(cursor, depth + 1));
    skip(cursor);
    if (eat(cursor, '}')) return object;
    if (!eat(cursor, ',')) fail(cursor, '"," or "}"');
    skip(cursor);
  }
}

/** Assignment to `__proto__` would set the prototype and lose the member. */
function setMember(object: JsonObject, key: string, value: JsonValue): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}
