/** Random documents, and random edits of them that meet each other often. */
import fc from 'fast-check';
import { parseDocument, stringifyDocument } from '../ndi/document/codec.ts';
import { isMembers } from '../ndi/document/fields.ts';
import { rawNumber } from '../ndi/document/json-raw.ts';
import type { JsonObject, JsonValue } from '../ndi/document/types.ts';

export const ID = '41269700000000a1_3fd0000000000001';

/** Few values, so that both sides choose the same one now and then. */
const leaf = fc.constantFrom<JsonValue>(
  'a',
  'b',
  '',
  0,
  -0,
  1,
  2.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  rawNumber('9007199254740993') as JsonValue,
  rawNumber('1e400') as JsonValue,
  rawNumber('1.10') as JsonValue,
  true,
  null,
);
const key = fc.constantFrom('a', 'b', 'c', 'id', 'odd key', '__proto__');

const { value } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    leaf,
    fc.array(leaf, { maxLength: 4 }),
    fc.array(tie('object'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc
    .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 4, selector: ([name]) => name })
    .map((members) => Object.fromEntries(members) as JsonObject),
}));

const named = fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'z_1'), fc.constantFrom('1', '2', '3')), {
  maxLength: 3,
  selector: ([name]) => name,
});

const filesOf = (entries: readonly [string, string][]): JsonObject => ({
  file_list: entries.map(([name]) => name),
  file_info: entries.map(([name, uid]) => ({ name, locations: [{ uid, location: `/data/${uid}` }] })),
});

export const baseBody: fc.Arbitrary<JsonObject> = fc
  .record({ g: value, h: value, name: leaf, dependencies: named, files: fc.option(named) })
  .map(({ g, h, name, dependencies, files }) => ({
    base: { id: ID, name, session_id: 's' },
    document_class: { class_name: 'x', class_version: 1 },
    depends_on: dependencies.map(([dependency, id]) => ({ name: dependency, value: id })),
    ...(files === null ? {} : { files: filesOf(files) }),
    g,
    h,
  }));

export interface Edit {
  readonly group: string;
  /** Which member to go down to, at each level. */
  readonly way: readonly number[];
  readonly change: 'set' | 'remove' | 'add' | 'append';
  readonly key: string;
  readonly value: JsonValue;
}

export type Edits = readonly Edit[];

export const editsOf = (): fc.Arbitrary<Edits> =>
  fc.array(
    fc.record({
      group: fc.constantFrom('g', 'g', 'h', 'base', 'depends_on', 'files'),
      way: fc.array(fc.nat(3), { maxLength: 3 }),
      change: fc.constantFrom<Edit['change']>('set', 'set', 'remove', 'add', 'append'),
      key,
      value: fc.oneof(leaf, leaf, value),
    }),
    { maxLength: 3 },
  );

/** A copy with the edits. Its id and its class stay. */
export function edited(document: JsonObject, edits: Edits): JsonObject {
  const copy = parseDocument(stringifyDocument(document));
  for (const edit of edits) {
    if (edit.group === 'base') copy.base = { ...(copy.base as JsonObject), name: edit.value };
    else if (edit.group === 'depends_on')
      copy.depends_on = editList(copy.depends_on as JsonObject[], edit, 'value');
    else if (edit.group === 'files') copy.files = editFiles(copy.files as JsonObject | undefined, edit);
    else copy[edit.group] = changed(copy[edit.group] as JsonValue, edit.way, edit);
  }
  return copy;
}

const NAMES = ['x', 'y', 'z_1', 'new'];
const TEXTS = ['1', '2', '3', '4'];

function editList(entries: JsonObject[], { way, change }: Edit, member: string): JsonObject[] {
  const name = NAMES[way[0] ?? 0] as string;
  const others = entries.filter((entry) => entry.name !== name);
  if (change === 'remove') return others;
  return [...others, { name, [member]: TEXTS[way[1] ?? 0] as string }];
}

function editFiles(files: JsonObject | undefined, edit: Edit): JsonObject {
  const entries = ((files?.file_info ?? []) as JsonObject[]).map((entry): [string, string] => {
    const [location] = entry.locations as JsonObject[];
    return [entry.name as string, location?.uid as string];
  });
  const list = entries.map(([name, uid]) => ({ name, uid }));
  return filesOf(editList(list, edit, 'uid').map(({ name, uid }) => [name as string, uid as string]));
}

function changed(old: JsonValue, way: readonly number[], edit: Edit): JsonValue {
  const [turn, ...rest] = way;
  if (turn !== undefined && Array.isArray(old) && old.length > 0) {
    const at = turn % old.length;
    if (edit.change === 'remove' && rest.length === 0) return old.toSpliced(at, 1);
    return old.map((element, index) => (index === at ? changed(element, rest, edit) : element));
  }
  if (turn !== undefined && isMembers(old) && Object.keys(old).length > 0) {
    const entries = Object.entries(old);
    const at = turn % entries.length;
    if (edit.change === 'remove' && rest.length === 0) return Object.fromEntries(entries.toSpliced(at, 1));
    return Object.fromEntries(
      entries.map(([name, member], index) => [name, index === at ? changed(member, rest, edit) : member]),
    );
  }
  if (edit.change === 'add' && isMembers(old))
    return Object.fromEntries([...Object.entries(old), [edit.key, edit.value]]);
  if (edit.change === 'append' && Array.isArray(old)) return [...old, edit.value];
  return edit.value;
}
