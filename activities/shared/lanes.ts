/** Bounded concurrency. */

/**
 * Works off `items` with at most `lanes` at once. The first failure stops new items and is thrown when those
 * in flight have ended: p-map and its like reject before that, and the next attempt would meet work that
 * still goes on.
 */
export async function inLanes<Item>(
  lanes: number,
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    try {
      for (let next = queue.next(); !next.done && !failed; next = queue.next()) await work(next.value);
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
