/** Both sides and the base side by side, item by item. Holds one item of each at a time. */
import { CourierError } from '../errors/index.ts';
import { compareIds } from './order.ts';
import type { BaseVersion, HeldItem, SyncItem } from './types.ts';

interface Cursor<Item extends { readonly id: string }> {
  readonly current: Item | undefined;
  advance(): void;
}

/** @throws NDI_E_INTERNAL for a source that is not in ascending order, or names an id twice */
function cursorOf<Item extends { readonly id: string }>(items: Iterable<Item>, what: string): Cursor<Item> {
  const iterator = items[Symbol.iterator]();
  const next = (): Item | undefined => {
    const { value, done } = iterator.next();
    return done === true ? undefined : value;
  };
  let current = next();
  return {
    get current() {
      return current;
    },
    advance: () => {
      const before = current;
      current = next();
      if (before !== undefined && current !== undefined && compareIds(before.id, current.id) >= 0)
        throw new CourierError('NDI_E_INTERNAL', {
          detail: `the ${what} items are out of order at ${current.id}`,
        });
    },
  };
}

/** The three sources are in ascending order of ids, each id once. */
export function* joinSides(
  local: Iterable<HeldItem>,
  cloud: Iterable<HeldItem>,
  base: Iterable<BaseVersion>,
): Generator<SyncItem> {
  const here = cursorOf(local, 'local');
  const there = cursorOf(cloud, 'cloud');
  const agreed = cursorOf(base, 'base');
  for (;;) {
    let id: string | undefined;
    for (const item of [here.current, there.current, agreed.current])
      if (item !== undefined && (id === undefined || compareIds(item.id, id) < 0)) id = item.id;
    if (id === undefined) return;
    yield {
      id,
      local: here.current?.id === id ? here.current : undefined,
      cloud: there.current?.id === id ? there.current : undefined,
      base: agreed.current?.id === id ? agreed.current : undefined,
    };
    if (here.current?.id === id) here.advance();
    if (there.current?.id === id) there.advance();
    if (agreed.current?.id === id) agreed.advance();
  }
}
