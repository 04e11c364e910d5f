/** Rows fetched at once while iterating: some 200 KB. */
export const SLICE_ROWS = 500;

/**
 * Streams a query in slices: `next` gets the last row of the slice before and returns the following one. No
 * statement stays open between slices, so a caller may write, or await, while it iterates.
 */
export function* sliced<T>(next: (last: T | undefined) => T[], sliceRows = SLICE_ROWS): IterableIterator<T> {
  let last: T | undefined;
  for (;;) {
    const rows = next(last);
    yield* rows;
    last = rows.at(-1);
    if (last === undefined || rows.length < sliceRows) return;
  }
}
