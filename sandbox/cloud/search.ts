/**
 * The operations of a search structure (NDI Cloud contract §2.6), as NDI's own field search has them:
 * elements are AND-ed, `or` holds two structures, `~` negates, `~or` is refused. A path through a list holds
 * if it does for any element.
 *
 * §2.6 has it that `document_class.class_name` cannot be searched; the Python client's live tests search it
 * and expect hits, so here it can.
 */
import { isObject, textOf } from './http.ts';
import { badRequest } from './refusal.ts';

/** The facts of a document that a search needs besides its body. */
export interface Searchable {
  readonly lineage: string;
}

export interface Search {
  matches(document: Searchable, body: string): boolean;
  /** Set where every match must carry this NDI id. */
  readonly ndiId: string | undefined;
  /** Classes that every match must descend from. */
  readonly classes: readonly string[];
}

type Test = (document: Searchable, body: Record<string, unknown>) => boolean;
type FieldTest = (value: unknown, param1: unknown, param2: unknown) => boolean;

const numbers = (value: unknown): number[] | undefined => {
  const list = (Array.isArray(value) ? value.flat(4) : [value]).map((item) => NAN_TEXT[String(item)] ?? item);
  return list.length > 0 && list.every((item) => typeof item === 'number') ? (list as number[]) : undefined;
};

const NAN_TEXT: Readonly<Record<string, number>> = {
  __NDI__NaN__: Number.NaN,
  __NDI__Infinity__: Number.POSITIVE_INFINITY,
  '__NDI__-Infinity__': Number.NEGATIVE_INFINITY,
};

/** Compares number by number; one number on the right stands for all. */
const compare =
  (holds: (a: number, b: number) => boolean): FieldTest =>
  (value, param1) => {
    const left = numbers(value);
    const right = numbers(typeof param1 === 'string' && param1 !== '' ? Number(param1) : param1);
    if (left === undefined || right === undefined) return false;
    if (right.length !== 1 && right.length !== left.length) return false;
    return left.every((a, i) => holds(a, right[right.length === 1 ? 0 : i]!));
  };

const regexp = (pattern: unknown): RegExp => {
  try {
    return new RegExp(textOf(pattern));
  } catch {
    throw badRequest('Invalid regular expression');
  }
};

const elements = (value: unknown): Record<string, unknown>[] =>
  (Array.isArray(value) ? value : [value]).filter(isObject);

/**
 * One element must have all of the named members as wanted; a name and a value alone stand for lists of one.
 */
function anySubfield(holds: (value: unknown, wanted: unknown) => boolean): FieldTest {
  return (value, param1, param2) => {
    const names = [param1].flat();
    const wanted = [param2].flat();
    return elements(value).some((item) => names.every((name, i) => holds(item[textOf(name)], wanted[i])));
  };
}

const FIELD_TESTS: Readonly<Record<string, FieldTest>> = {
  exact_string: (value, param1) => typeof value === 'string' && value === param1,
  exact_string_anycase: (value, param1) =>
    typeof value === 'string' && value.toLowerCase() === textOf(param1).toLowerCase(),
  contains_string: (value, param1) => typeof value === 'string' && value.includes(textOf(param1)),
  regexp: (value, param1) => typeof value === 'string' && regexp(param1).test(value),
  exact_number: (value, param1) =>
    numbers(value)?.length === numbers(param1)?.length &&
    compare((a, b) => a === b)(value, param1, undefined),
  lessthan: compare((a, b) => a < b),
  lessthaneq: compare((a, b) => a <= b),
  greaterthan: compare((a, b) => a > b),
  greaterthaneq: compare((a, b) => a >= b),
  hasfield: () => true,
  hasmember: (value, param1) => Array.isArray(value) && value.some((item) => item === param1),
  hasanysubfield_contains_string: anySubfield(
    (value, wanted) => typeof value === 'string' && value.includes(textOf(wanted)),
  ),
  hasanysubfield_exact_string: anySubfield((value, wanted) => value === wanted),
};

/** Tests that look at a list as a whole; the others look at each element that a path leads to. */
const WHOLE = new Set([
  'exact_number',
  'lessthan',
  'lessthaneq',
  'greaterthan',
  'greaterthaneq',
  'hasmember',
  'hasanysubfield_contains_string',
  'hasanysubfield_exact_string',
]);

/** Every value that a dotted path leads to, through objects and lists of objects. */
function valuesAt(body: unknown, path: readonly string[]): unknown[] {
  if (path.length === 0) return [body];
  if (Array.isArray(body)) return body.flatMap((item) => valuesAt(item, path));
  const [head = '', ...rest] = path;
  return isObject(body) && Object.hasOwn(body, head) ? valuesAt(body[head], rest) : [];
}

function fieldTest(operation: string, field: string, param1: unknown, param2: unknown): Test {
  const test = FIELD_TESTS[operation];
  if (test === undefined) throw badRequest(`Unknown operation ${operation}`);
  if (operation === 'regexp') regexp(param1);
  const path = field.split('.');
  return (_document, body) => {
    const values = valuesAt(body, path);
    return values.some((value) =>
      !WHOLE.has(operation) && Array.isArray(value) && operation !== 'hasfield'
        ? value.some((item) => test(item, param1, param2))
        : test(value, param1, param2),
    );
  };
}

function dependsOn(name: unknown, id: unknown): Test {
  return (_document, body) =>
    elements(body.depends_on).some((entry) => (name === '*' || entry.name === name) && entry.value === id);
}

function compileElement(element: unknown): Test {
  if (!isObject(element)) throw badRequest('searchstructure must be an array of objects');
  const given = textOf(element.operation);
  const negated = given.startsWith('~');
  const operation = negated ? given.slice(1) : given;
  const { param1, param2 } = element;
  let test: Test;
  if (operation === 'or') {
    if (negated) throw badRequest('The operation ~or is not supported');
    const [left, right] = [compileAll(param1), compileAll(param2)];
    test = (document, body) => left(document, body) || right(document, body);
  } else if (operation === 'isa') test = (document) => document.lineage.includes(`,${textOf(param1)},`);
  else if (operation === 'depends_on') test = dependsOn(param1, param2);
  else test = fieldTest(operation, textOf(element.field), param1, param2);
  return negated ? (document, body) => !test(document, body) : test;
}

/** Both clients may write a structure of one element as a bare object. */
function compileAll(structure: unknown): Test {
  const list = Array.isArray(structure) ? structure : isObject(structure) ? [structure] : undefined;
  if (list === undefined) throw badRequest('searchstructure must be an array');
  const tests = list.map(compileElement);
  return (document, body) => tests.every((test) => test(document, body));
}

/** Compiles a search structure. 400 for an unknown operation, `~or`, or a structure that is none. */
export function compileSearch(structure: unknown): Search {
  const test = compileAll(structure);
  const plain = [structure].flat().filter(isObject);
  const ids = plain
    .filter((e) => e.operation === 'exact_string' && e.field === 'base.id')
    .map((e) => textOf(e.param1));
  const classes = plain.filter((e) => e.operation === 'isa').map((e) => textOf(e.param1));
  const needsBody = plain.some((e) => e.operation !== 'isa');
  return {
    matches: (document, body) => test(document, needsBody ? JSON.parse(body) : {}),
    ndiId: ids[0],
    classes,
  };
}
