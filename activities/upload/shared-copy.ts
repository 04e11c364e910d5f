/**
 * A dataset that another program has open in WAL mode is read from a copy of its database, and making one
 * copies and checks all of it. The units of a run follow each other closely and share one copy; it goes when
 * none has come for a while.
 */
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { openSource } from './open.ts';
import type { Sending } from './sending.ts';

const KEPT_MS = 30_000;

interface Copy {
  readonly reader: DatasetReader;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/** By run: another run must see what was written meanwhile. */
const copies = new Map<string, Copy>();

/** The dataset, for one unit of a run. */
export function openForUnit({ deps, input, ref }: Pick<Sending, 'input'> & OpenedRun): DatasetReader {
  const { runKey } = ref;
  let copy = copies.get(runKey);
  if (copy === undefined) {
    const reader = openSource(deps, input);
    if (!reader.readFromCopy) return reader;
    copy = { reader, users: 0, idle: undefined };
    copies.set(runKey, copy);
  }
  return borrowed(runKey, copy);
}

interface OpenedRun {
  readonly deps: { readonly scratchDir: string };
  readonly ref: { readonly runKey: string };
}

function borrowed(runKey: string, copy: Copy): DatasetReader {
  clearTimeout(copy.idle);
  copy.users += 1;
  const close = (): void => {
    copy.users -= 1;
    if (copy.users === 0) copy.idle = setTimeout(() => drop(runKey, copy), KEPT_MS).unref();
  };
  return { ...copy.reader, close };
}

function drop(runKey: string, copy: Copy): void {
  clearTimeout(copy.idle);
  copies.delete(runKey);
  copy.reader.close();
}

/** Before the folder they lie in goes. */
export function closeIdleCopies(): void {
  for (const [runKey, copy] of [...copies]) if (copy.users === 0) drop(runKey, copy);
}
