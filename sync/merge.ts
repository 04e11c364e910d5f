/**
 * Two edits of one document, joined field by field: a three-way merge with the content on which both sides
 * agreed. Content counts as everywhere (`ndi/document/canonical.ts`), fields as in `ndi/document/fields.ts`.
 *
 * A field takes the side that changed it. Both changed it alike: it is that. Both changed it, each in its own
 * way: a conflict, and so is a field that one side removed and the other edited. Arrays are merged by position,
 * and only where all three lengths agree: after an insertion, position says nothing of identity.
 *
 *   base.id, document_class   must be the same on both sides: a document that half of is of another class
 *                             would be of none
 *   depends_on                a list of names: each dependency is a field, their order says nothing
 *   files                     lists of file names: two sides may add different files. What one name stands for
 *                             is taken whole, because two uids in it would say that two contents are one file
 *
 * Where a binary lies on a machine is no content; it comes with the entry that names the binary, from the local
 * document where both have it.
 */
import { isCourierError } from '../errors/index.ts';
import { parseDocument, stringifyDocument } from '../ndi/document/codec.ts';
import { describeDocument } from '../ndi/document/describe.ts';
import { shownValue } from '../ndi/document/difference.ts';
import { contentText, DOCUMENT, type Parts, type Place, placeOf, takeApart } from '../ndi/document/fields.ts';
import type { JsonObject, JsonValue } from '../ndi/document/types.ts';

/** A field that both sides changed, each in its own way. A side that lacks the field has `undefined`. */
export interface FieldConflict {
  /** As people name it: `base.name`, `depends_on[subject_id].value`. Empty for the whole document. */
  readonly path: string;
  readonly base: JsonValue | undefined;
  readonly local: JsonValue | undefined;
  readonly cloud: JsonValue | undefined;
  /** The same for people and for JSON, cut off where it is long, without where binaries lie. */
  readonly shown: { readonly base: string; readonly local: string; readonly cloud: string };
}

export type MergeResult =
  /** The body shares values with the three that it was made of. */
  | { readonly outcome: 'merged'; readonly body: JsonObject }
  | {
      readonly outcome: 'conflict';
      readonly fields: readonly FieldConflict[];
      /** Conflicts beyond those listed. */
      readonly moreFields: number;
    };

type Slot = JsonValue | undefined;

interface Sides {
  readonly base: Slot;
  readonly local: Slot;
  readonly cloud: Slot;
}

const MOST_FIELDS = 100;

/** Joins two edits of `base`. The three are as they are stored, without URLs that the cloud signed. */
export function mergeDocuments(base: JsonObject, local: JsonObject, cloud: JsonObject): MergeResult {
  const fields: FieldConflict[] = [];
  let moreFields = 0;
  const report: Report = (place, sides) => {
    if (fields.length < MOST_FIELDS) fields.push(conflictAt(place, sides));
    else moreFields += 1;
  };
  const body = mergeAt(DOCUMENT, { base, local, cloud }, report);
  if (fields.length === 0 && body !== undefined && isSound(body as JsonObject, base))
    return { outcome: 'merged', body: body as JsonObject };
  if (fields.length === 0) report(DOCUMENT, { base, local, cloud });
  return { outcome: 'conflict', fields, moreFields };
}

/** Both sides' additions together may be more than a document can hold. */
function isSound(body: JsonObject, base: JsonObject): boolean {
  try {
    const read = parseDocument(stringifyDocument(body));
    return describeDocument(read).id === describeDocument(base).id;
  } catch (error) {
    if (isCourierError(error)) return false;
    throw error;
  }
}

type Report = (place: Place, sides: Sides) => void;

const conflictAt = (place: Place, { base, local, cloud }: Sides): FieldConflict => ({
  path: place.path,
  base,
  local,
  cloud,
  shown: {
    base: shownValue(place, base),
    local: shownValue(place, local),
    cloud: shownValue(place, cloud),
  },
});

function mergeAt(place: Place, sides: Sides, report: Report): Slot {
  const base = contentText(place, sides.base);
  const local = contentText(place, sides.local);
  const cloud = contentText(place, sides.cloud);
  if (local === cloud) return alike(place, sides);
  if (place.kind !== 'identity') {
    const stoodStill = local === base || cloud === base;
    const parts = !stoodStill || BY_PARTS.has(place.kind) ? partsOf(place, sides) : undefined;
    if (parts !== undefined) return mergeParts(place, sides, parts, report);
    if (stoodStill) return local === base ? sides.cloud : sides.local;
  }
  report(place, sides);
  return undefined;
}

/** Looked into also where one side stood still: for the id, and for where binaries lie. */
const BY_PARTS: ReadonlySet<Place['kind']> = new Set(['base', 'files', 'file-infos']);

/** Both say the same, perhaps written differently: who changed the writing, else the same one for both orders. */
function alike({ kind }: Place, { base, local, cloud }: Sides): Slot {
  if (local === undefined || cloud === undefined) return undefined;
  // Where binaries lie is this machine's.
  if (FILE_KINDS.has(kind)) return local;
  const [before, here, there] = [base, local, cloud].map((value) =>
    value === undefined ? '' : stringifyDocument({ value }),
  ) as [string, string, string];
  if (here === before) return cloud;
  if (there === before) return local;
  return here <= there ? local : cloud;
}

const FILE_KINDS: ReadonlySet<Place['kind']> = new Set(['files', 'file-infos', 'file-info']);

/** Members of the base, which has none where it lacks the field, of local and of cloud. */
function partsOf(place: Place, { base, local, cloud }: Sides): Parts | undefined {
  if (local === undefined || cloud === undefined) return undefined;
  if (base !== undefined) return takeApart(place, [base, local, cloud]);
  const parts = takeApart(place, [local, cloud]);
  // Both sides added an array: no position of one is a position of the other.
  if (parts === undefined || parts.shape === 'array') return undefined;
  return { ...parts, members: [new Map(), ...parts.members] };
}

function mergeParts(place: Place, sides: Sides, { shape, members }: Parts, report: Report): JsonValue {
  const [base, local, cloud] = members as [Members, Members, Members];
  const added = [...new Set([...local.keys(), ...cloud.keys()])].filter((key) => !base.has(key)).sort();
  const merged: [string, JsonValue][] = [];
  for (const key of [...base.keys(), ...added]) {
    const field = { base: base.get(key), local: local.get(key), cloud: cloud.get(key) };
    const value = mergeAt(placeOf(place, shape, key), field, report);
    if (value !== undefined) merged.push([key, value]);
  }
  if (shape !== 'object') return listOf(merged.map(([, value]) => value));
  const object = Object.fromEntries(merged);
  if (place.kind === 'document') return { ...recordIds(sides), ...object };
  return isWrapped(sides) ? [object] : object;
}

/**
 * A null that is left here is an empty value: those among numbers have become NaN. Among the numbers of both
 * sides it would be one, so it is written as what it is.
 */
const listOf = (values: readonly JsonValue[]): JsonValue[] => values.map((value) => value ?? []);

type Members = ReadonlyMap<string, JsonValue>;

/** A record's own id at the top is no content, and says nothing of the other side's record. */
function recordIds({ local }: Sides): JsonObject {
  return Object.fromEntries(
    Object.entries(local as JsonObject).filter(([key]) => key === 'id' || key === '_id'),
  );
}

/** An object may stand alone or in an array of one; who changed that is followed. */
function isWrapped({ base, local, cloud }: Sides): boolean {
  const [here, there] = [Array.isArray(local), Array.isArray(cloud)];
  return here === there ? here : !Array.isArray(base);
}
