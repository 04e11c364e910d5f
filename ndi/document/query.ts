/**
 * NDI's field search (`ndi.query`) over parsed documents. A search structure is a list of conditions that
 * must all hold; it is the one that the cloud takes (contract §2.6), so that one query finds the same
 * documents here and there.
 */
import { CourierError } from '../../errors/index.ts';
import { asArray, asObject, asText } from './describe.ts';
import { isRawNumber } from './json-raw.ts';
import type { DocumentFacts, JsonValue, NdiDocument } from './types.ts';

/** One condition. `operation` may begin with `~`, which negates it (not of `or`). */
export interface QueryCondition {
  /**
   * Dotted path, `base.name`; a path through a list holds if it does for any element. Not for `isa`,
   * `depends_on` and `or`.
   */
  readonly field?: string;
  readonly operation: string;
  readonly param1?: unknown;
  readonly param2?: unknown;
}

export type DocumentQuery = readonly QueryCondition[];

type QueryFacts = Pick<DocumentFacts, 'className' | 'superclasses'>;
type Predicate = (document: NdiDocument, facts: QueryFacts) => boolean;
type FieldTest = (value: JsonValue, param1: unknown, param2: unknown) => boolean;

/**
 * A predicate on documents.
 * @throws NDI_E_USAGE naming the operation or the expression that is not one
 */
export function compileQuery(query: unknown): Predicate {
  // Both clients may write a structure of one condition as the bare object.
  const list = Array.isArray(query) ? query : [query];
  const tests = list.map(compileCondition);
  return (document, facts) => tests.every((test) => test(document, facts));
}

function compileCondition(condition: unknown): Predicate {
  if (typeof condition !== 'object' || condition === null || !('operation' in condition))
    throw badQuery('a query is a list of conditions, each with an operation');
  const { field, operation: given, param1, param2 } = condition as QueryCondition;
  const negated = String(given).startsWith('~');
  const operation = negated ? String(given).slice(1) : String(given);
  if (operation === 'or') {
    if (negated) throw badQuery('the operation ~or is not supported');
    const [left, right] = [compileQuery(param1), compileQuery(param2)];
    return (document, facts) => left(document, facts) || right(document, facts);
  }
  const test = simpleTest(operation, field, param1, param2);
  return negated ? (document, facts) => !test(document, facts) : test;
}

function simpleTest(
  operation: string,
  field: string | undefined,
  param1: unknown,
  param2: unknown,
): Predicate {
  if (operation === 'isa')
    return (_document, { className, superclasses }) =>
      className === param1 || superclasses.some((name) => name === param1);
  if (operation === 'depends_on')
    return (document) =>
      asArray(document.depends_on)
        .map(asObject)
        .some(({ name, value }) => (param1 === '*' || asText(name) === param1) && asText(value) === param2);
  const test = FIELD_TESTS[operation];
  if (test === undefined)
    throw badQuery(`unknown operation ${operation}; there are ${Object.keys(FIELD_TESTS).join(', ')}`);
  if (typeof field !== 'string' || field === '') throw badQuery(`the operation ${operation} needs a field`);
  if (operation === 'regexp') expression(param1);
  const path = field.split('.');
  const ofElements = !OF_LISTS.has(operation);
  return (document) =>
    valuesAt(document, path).some((value) =>
      ofElements && Array.isArray(value)
        ? value.some((element) => test(element, param1, param2))
        : test(value, param1, param2),
    );
}

/** Every value that a path leads to, through objects and lists of objects. */
function valuesAt(value: JsonValue, path: readonly string[]): JsonValue[] {
  const [head, ...rest] = path;
  if (head === undefined) return [value];
  if (Array.isArray(value)) return value.flatMap((element) => valuesAt(element, path));
  if (typeof value !== 'object' || value === null || isRawNumber(value) || !Object.hasOwn(value, head))
    return [];
  return valuesAt((value as NdiDocument)[head] as JsonValue, rest);
}

const FIELD_TESTS: Readonly<Record<string, FieldTest>> = {
  exact_string: (value, wanted) => typeof value === 'string' && value === wanted,
  exact_string_anycase: (value, wanted) =>
    typeof value === 'string' && value.toLowerCase() === String(wanted).toLowerCase(),
  contains_string: (value, wanted) => typeof value === 'string' && value.includes(String(wanted)),
  regexp: (value, pattern) => typeof value === 'string' && expression(pattern).test(value),
  exact_number: (value, wanted) =>
    numbersIn(value)?.length === numbersIn(wanted)?.length && compares(value, wanted, (a, b) => a === b),
  lessthan: (value, wanted) => compares(value, wanted, (a, b) => a < b),
  lessthaneq: (value, wanted) => compares(value, wanted, (a, b) => a <= b),
  greaterthan: (value, wanted) => compares(value, wanted, (a, b) => a > b),
  greaterthaneq: (value, wanted) => compares(value, wanted, (a, b) => a >= b),
  hasfield: () => true,
  hasmember: (value, wanted) => Array.isArray(value) && value.some((element) => element === wanted),
  hasanysubfield_contains_string: (value, names, wanted) =>
    hasSubfield(
      value,
      names,
      wanted,
      (found, text) => typeof found === 'string' && found.includes(String(text)),
    ),
  hasanysubfield_exact_string: (value, names, wanted) =>
    hasSubfield(value, names, wanted, (found, text) => found === text),
};

/** Tests that look at a list as a whole; the others look at each of its elements. */
const OF_LISTS: ReadonlySet<string> = new Set([
  'exact_number',
  'lessthan',
  'lessthaneq',
  'greaterthan',
  'greaterthaneq',
  'hasfield',
  'hasmember',
  'hasanysubfield_contains_string',
  'hasanysubfield_exact_string',
]);

/** Number by number; one number on the right stands for all. */
function compares(value: unknown, wanted: unknown, holds: (a: number, b: number) => boolean): boolean {
  const left = numbersIn(value);
  const right = numbersIn(typeof wanted === 'string' && wanted !== '' ? Number(wanted) : wanted);
  if (left === undefined || right === undefined) return false;
  if (right.length !== 1 && right.length !== left.length) return false;
  return left.every((a, at) => holds(a, right[right.length === 1 ? 0 : at] as number));
}

function numbersIn(value: unknown): number[] | undefined {
  const list = (Array.isArray(value) ? value.flat(4) : [value]).map((element) =>
    isRawNumber(element) ? Number(element.rawJSON) : element,
  );
  return list.length > 0 && list.every((element) => typeof element === 'number')
    ? (list as number[])
    : undefined;
}

/**
 * One element must have all of the named members as wanted; a name and a text alone stand for lists of one.
 */
function hasSubfield(
  value: JsonValue,
  names: unknown,
  wanted: unknown,
  holds: (found: JsonValue | undefined, text: unknown) => boolean,
): boolean {
  const [all, texts] = [[names].flat(), [wanted].flat()];
  return asArray(value)
    .map(asObject)
    .some((element) => all.every((name, at) => holds(element[String(name)], texts[at])));
}

function expression(pattern: unknown): RegExp {
  try {
    return new RegExp(String(pattern));
  } catch (cause) {
    throw badQuery(`${JSON.stringify(pattern)} is not a regular expression`, cause);
  }
}

const badQuery = (detail: string, cause?: unknown): CourierError =>
  new CourierError('NDI_E_USAGE', { detail: `Query: ${detail}.`, cause });

/**
 * Conditions as people type them: `subject.species=ferret`, `base.name~^ep`, `stimulus.angle>=90`,
 * `epoch.tags!=bad`, and a field alone, which must be there. A number is compared as a number, anything else
 * as text; quotes make a text of a number.
 * @throws NDI_E_USAGE for a condition without a field
 */
export function parseCondition(text: string): QueryCondition {
  const found = /^\s*([\w.]+)\s*(?:(!=|>=|<=|=|~|>|<)\s*(.*?)\s*)?$/s.exec(text);
  if (found === null)
    throw badQuery(
      `${JSON.stringify(text)} is no condition; write FIELD=VALUE, FIELD~REGEXP, FIELD>NUMBER or FIELD`,
    );
  const [, field = '', sign, typed = ''] = found;
  if (sign === undefined) return { field, operation: 'hasfield' };
  if (sign === '~') return { field, operation: 'regexp', param1: typed };
  const negated = sign === '!=' ? '~' : '';
  const isNumber = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(typed);
  if (sign === '=' || sign === '!=')
    return isNumber
      ? { field, operation: `${negated}exact_number`, param1: Number(typed) }
      : { field, operation: `${negated}exact_string`, param1: typed.replace(/^(["'])(.*)\1$/s, '$2') };
  if (!isNumber) throw badQuery(`${JSON.stringify(typed)} is no number, and ${sign} compares numbers`);
  const operation = { '>': 'greaterthan', '>=': 'greaterthaneq', '<': 'lessthan', '<=': 'lessthaneq' }[sign];
  return { field, operation: operation as string, param1: Number(typed) };
}
