/** Where two documents differ, in words. */
import { contentText, DOCUMENT, type Place, placeOf, takeApart } from './fields.ts';
import type { JsonObject, JsonValue } from './types.ts';

const SHOWN_LENGTH = 60;

/** A field that two documents do not have in common, as people read it. */
export interface FieldDifference {
  /** `base.name`, `depends_on[subject_id].value`, `element.t0_t1[2]`. */
  readonly path: string;
  /** Its values, cut off where they are long; `nothing` where it is absent. */
  readonly here: string;
  readonly there: string;
}

export interface FieldDifferences {
  /** In canonical order. Empty exactly when both documents say the same. */
  readonly differences: readonly FieldDifference[];
  /** Whether there are more than were asked for. */
  readonly hasMore: boolean;
}

const MOST_DIFFERENCES = 20;

/** Where two documents differ, field by field, `most` of them. */
export function fieldDifferences(
  here: JsonObject,
  there: JsonObject,
  most: number = MOST_DIFFERENCES,
): FieldDifferences {
  const differences: FieldDifference[] = [];
  for (const found of differing(DOCUMENT, here, there)) {
    if (differences.length >= most) return { differences, hasMore: true };
    differences.push(found);
  }
  return { differences, hasMore: false };
}

/** The first field that does not say the same: `base.name: "a" here, "b" there`. Empty when there is none. */
export function firstDifference(here: JsonObject, there: JsonObject): string {
  const [first] = fieldDifferences(here, there, 1).differences;
  return first === undefined ? '' : `${first.path}: ${first.here} here, ${first.there} there`;
}

/** Descends to the deepest fields that differ. */
function* differing(
  place: Place,
  here: JsonValue | undefined,
  there: JsonValue | undefined,
): Generator<FieldDifference> {
  if (contentText(place, here) === contentText(place, there)) return;
  let isExplained = false;
  const parts = here === undefined || there === undefined ? undefined : takeApart(place, [here, there]);
  if (parts !== undefined) {
    const [ours, theirs] = parts.members as [Map<string, JsonValue>, Map<string, JsonValue>];
    const keys = [...new Set([...ours.keys(), ...theirs.keys()])];
    if (parts.shape === 'object') keys.sort();
    for (const key of keys) {
      for (const found of differing(placeOf(place, parts.shape, key), ours.get(key), theirs.get(key))) {
        isExplained = true;
        yield found;
      }
    }
  }
  // No part differs where only the order of a list does.
  if (!isExplained)
    yield { path: place.path, here: shownValue(place, here), there: shownValue(place, there) };
}

/** A value as canonical text, cut off where it is long. */
export function shownValue(place: Place, value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  const text = contentText(place, value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
