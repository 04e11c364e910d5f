/**
 * A unit that ends its worker, by memory or by a fault below JavaScript, would end the next one, too, and
 * take other runs along. The ledger notes what is begun. A note that is still open when its process is gone
 * counts as a death. A unit with two of them is worked off alone, item by item, and an item with two becomes
 * a problem of its own, which the same command tries again.
 *
 * A death counts only where nothing else explains it: the process was on this computer, which has not started
 * again since, and nobody had asked it to stop. Several units share a process, so a death is held against all
 * of them; that costs time, and only an item that was alone in its process is listed.
 */
import { CourierError } from '../../errors/index.ts';
import { RUN_FACTS, type UnitNote } from '../../ledger/fact-keys.ts';
import type { PlanItem, PlanUnit } from '../../ledger/types.ts';
import type { UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { failItem, unitOutcome } from './units.ts';

const DEATHS_OF_UNIT = 2;
const DEATHS_OF_ITEM = 2;

export interface UnitWork {
  /** Works off these items as a unit. */
  together(items: readonly PlanItem[]): Promise<void>;
  /** Works off one item, with as little as possible besides it. */
  alone(item: PlanItem): Promise<void>;
}

/** Works off the items of a unit, alone and one by one where the unit has ended its worker twice. */
export async function workOff(
  scope: RunScope,
  unit: PlanUnit,
  items: readonly PlanItem[],
  work: UnitWork,
): Promise<void> {
  const before = countDeath(scope, unit.unit);
  if (before.deaths < DEATHS_OF_UNIT || items.length === 0) {
    const leave = await room.enter('shared');
    try {
      await noted(scope, unit.unit, null, () => work.together(items));
    } finally {
      leave();
    }
    return;
  }
  scope.ledger.audit('a unit goes alone', { unit: unit.unit, deaths: before.deaths });
  const leave = await room.enter('alone');
  try {
    for (const item of items) {
      scope.signal.throwIfAborted();
      if ((before.items[item.id] ?? 0) >= DEATHS_OF_ITEM) {
        const detail = `Its worker ended ${DEATHS_OF_ITEM} times while it worked on nothing else.`;
        failItem(scope, item, new CourierError('NDI_E_ENDS_WORKER', { detail }));
      } else await noted(scope, unit.unit, item.id, () => work.alone(item));
    }
  } finally {
    leave();
  }
}

/** Works off the pending items of a unit, marks it as done, and sums it up. */
export async function workOffPending(
  scope: RunScope,
  unitNumber: number,
  work: (unit: PlanUnit, items: readonly PlanItem[], isAlone: boolean) => Promise<void>,
): Promise<UnitOutcome> {
  const { ledger } = scope;
  const unit = ledger.units.get(unitNumber);
  const items = ledger.items.ofUnit(unitNumber).filter((item) => item.state === 'pending');
  if (items.length > 0)
    await workOff(scope, unit, items, {
      together: (some) => work(unit, some, false),
      alone: (item) => work(unit, [item], true),
    });
  ledger.units.mark(unitNumber, { state: 'done' });
  return unitOutcome(ledger.items.ofUnit(unitNumber), unit.kind, scope.attempt);
}

const NOTHING: UnitNote = { begun: null, deaths: 0, items: {} };

/** The note on the unit, with the death of the process that began it last. */
function countDeath({ ledger, deps }: RunScope, unit: number): UnitNote {
  const fact = RUN_FACTS.unitNote(unit);
  const note = ledger.facts.get(fact) ?? NOTHING;
  const { begun } = note;
  if (begun === null || deps.isWorkerAlive(begun.worker)) return note;
  const isDeath = begun.boot === deps.bootId;
  const { item } = begun;
  const counted: UnitNote = {
    begun: null,
    deaths: note.deaths + (isDeath ? 1 : 0),
    items: isDeath && item !== null ? { ...note.items, [item]: (note.items[item] ?? 0) + 1 } : note.items,
  };
  ledger.facts.set(fact, counted);
  if (isDeath)
    ledger.audit('a worker ended while it worked on a unit', { unit, item, deaths: counted.deaths });
  return counted;
}

/**
 * Does `work` with a note in the ledger that it was begun. Whatever ends it in order, or asks it to end,
 * closes the note.
 */
async function noted(
  { ledger, deps, signal }: RunScope,
  unit: number,
  item: string | null,
  work: () => Promise<void>,
): Promise<void> {
  const fact = RUN_FACTS.unitNote(unit);
  const write = (begun: UnitNote['begun']): void =>
    ledger.facts.set(fact, { ...(ledger.facts.get(fact) ?? NOTHING), begun });
  const close = (): void => {
    try {
      write(null);
    } catch {
      // The lease is lost, or the disk is full: the work itself says so.
    }
  };
  write({ worker: deps.worker, boot: deps.bootId, item });
  // A worker that is asked to stop may be killed before the work has stopped: that is nobody's fault.
  signal.addEventListener('abort', close, { once: true });
  try {
    await work();
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

/**
 * Units share the process, unless one must be alone in it: that one waits until the others are done, and
 * later ones wait for it.
 */
function createRoom(): { enter(how: 'shared' | 'alone'): Promise<() => void> } {
  let inside = 0;
  let isClosed = false;
  const queue: { readonly how: 'shared' | 'alone'; admit(): void }[] = [];
  const admitNext = (): void => {
    for (let next = queue[0]; next !== undefined && !isClosed; next = queue[0]) {
      if (next.how === 'alone' && inside > 0) return;
      queue.shift();
      inside += 1;
      isClosed = next.how === 'alone';
      next.admit();
    }
  };
  return {
    enter: (how) =>
      new Promise((resolve) => {
        const leave = (): void => {
          inside -= 1;
          if (how === 'alone') isClosed = false;
          admitNext();
        };
        queue.push({ how, admit: () => resolve(leave) });
        admitNext();
      }),
  };
}

/** The room of this process. */
const room = createRoom();
