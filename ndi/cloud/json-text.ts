/**
 * JSON as text: where a member or an element starts and ends, so that the body of a document can be taken out
 * of an answer without parsing it, with its number text and its bare `NaN` and `Infinity` untouched (NDI
 * Cloud contract §4.2, §4.3); and a parser for all other answers, which need values and not text.
 *
 * The scanners check only as much as they need to find the ends; they throw `SyntaxError` where they cannot.
 */

export interface Member {
  readonly key: string;
  /** Where the key's opening quote is. */
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const COMMA = 44;
const COLON = 58;

/**
 * Most members of one object, or elements of one array, that a scan lists: a fetch of documents has 500 rows,
 * a document a dozen members.
 */
const MAX_MEMBERS = 10_000;

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

const broken = (at: number): SyntaxError => new SyntaxError(`JSON breaks off at character ${at}`);

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

/** The index after the closing quote of the string that opens at `from`. */
function stringEnd(text: string, from: number): number {
  let quote = text.indexOf('"', from + 1);
  while (quote !== -1) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
  throw broken(from);
}

/** The index after the value that starts at `from`. */
function valueEnd(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return stringEnd(text, from);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return containerEnd(text, from);
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (isSpace(code) || code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET) break;
    at += 1;
  }
  if (at === from) throw broken(from);
  return at;
}

function containerEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw broken(from);
}

/** After a value: the index of the next item, or -1 when `close` ended the container. */
function nextItem(text: string, from: number, close: number): number {
  const at = skipSpace(text, from);
  const code = text.charCodeAt(at);
  if (code === close) return -1;
  if (code !== COMMA) throw broken(at);
  return skipSpace(text, at + 1);
}

/** The members of the object that starts at or after `from`, in order; equal keys appear each time. */
export function objectMembers(text: string, from = 0): Member[] {
  const open = skipSpace(text, from);
  if (text.charCodeAt(open) !== OPEN_BRACE) throw broken(open);
  const members: Member[] = [];
  let at = skipSpace(text, open + 1);
  if (text.charCodeAt(at) === CLOSE_BRACE) return members;
  while (at !== -1) {
    if (members.length >= MAX_MEMBERS) throw new SyntaxError(`more than ${MAX_MEMBERS} members`);
    if (text.charCodeAt(at) !== QUOTE) throw broken(at);
    const keyEnd = stringEnd(text, at);
    const colon = skipSpace(text, keyEnd);
    if (text.charCodeAt(colon) !== COLON) throw broken(colon);
    const start = skipSpace(text, colon + 1);
    const end = valueEnd(text, start);
    members.push({
      key: JSON.parse(text.slice(at, keyEnd)) as string,
      start: at,
      valueStart: start,
      valueEnd: end,
    });
    at = nextItem(text, end, CLOSE_BRACE);
  }
  return members;
}

/**
 * The elements of the array that starts at or after `from`; any other value counts as an array of itself
 * (§4.1).
 */
export function arrayElements(text: string, from = 0): Span[] {
  const open = skipSpace(text, from);
  if (text.charCodeAt(open) !== OPEN_BRACKET) return [{ start: open, end: valueEnd(text, open) }];
  const elements: Span[] = [];
  let at = skipSpace(text, open + 1);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return elements;
  while (at !== -1) {
    if (elements.length >= MAX_MEMBERS) throw new SyntaxError(`more than ${MAX_MEMBERS} elements`);
    const end = valueEnd(text, at);
    elements.push({ start: at, end });
    at = nextItem(text, end, CLOSE_BRACKET);
  }
  return elements;
}

/** `text` without the member, and without the comma that belonged to it. */
export function withoutMember(text: string, members: readonly Member[], index: number): string {
  const member = members[index];
  if (member === undefined) return text;
  const next = members[index + 1];
  if (next !== undefined) return text.slice(0, member.start) + text.slice(next.start);
  const previous = members[index - 1];
  const cutFrom = previous === undefined ? member.start : previous.valueEnd;
  return text.slice(0, cutFrom) + text.slice(member.valueEnd);
}

const SENTINELS: Readonly<Record<string, number>> = {
  __NDI__NaN__: Number.NaN,
  __NDI__Infinity__: Number.POSITIVE_INFINITY,
  '__NDI__-Infinity__': Number.NEGATIVE_INFINITY,
};

const reviveSentinel = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && Object.hasOwn(SENTINELS, value) ? SENTINELS[value] : value;

/** Bare `NaN`, `Infinity`, `-Infinity` outside strings become the sentinel strings of §4.3. */
function quoteLiterals(text: string): string {
  let out = '';
  let at = 0;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    const gap = quote === -1 ? text.slice(at) : text.slice(at, quote);
    out += gap.replace(/-?\bInfinity\b|\bNaN\b/g, '"__NDI__$&__"');
    if (quote === -1) break;
    const end = stringEnd(text, quote);
    out += text.slice(quote, end);
    at = end;
  }
  return out;
}

/**
 * Values in one answer. A record with all files of a dataset has 400,000 in the 6 MB that Lambda can answer;
 * as objects they take 50 MB.
 */
const MAX_VALUES = 500_000;
/** Levels of brackets; answers have six. */
const MAX_DEPTH = 100;

/** Refuses what would take a worker's memory as values, before anything is parsed. Short texts cannot. */
function ensureModest(text: string): void {
  if (text.length < MAX_VALUES) return;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === COMMA) values += 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      values += 1;
      depth += 1;
      if (depth > MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} levels`);
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    if (values > MAX_VALUES) throw new SyntaxError(`more than ${MAX_VALUES} values`);
  }
}

/**
 * Any answer as a value, literals and sentinels as numbers. For records and lists; never for a document,
 * whose number text it would lose. Throws `SyntaxError`.
 */
export function parseLenient(text: string): unknown {
  ensureModest(text);
  const hasSentinel = text.includes('__NDI__');
  try {
    return hasSentinel ? JSON.parse(text, reviveSentinel) : JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    return JSON.parse(quoteLiterals(text), reviveSentinel);
  }
}
