/**
 * Dense numbers for NDI ids. A million ids as strings in a map take 110 MB; here each takes 16 bytes and a
 * slot of a hash table. Ids of another form than NDI's own are kept as strings.
 */

export interface IdTable {
  /** The number of this id, from 0 in the order of first calls. */
  add(id: string): number;
  idOf(number: number): string;
  readonly size: number;
}

const WORDS = 4;
const NDI_ID = /^[0-9a-f]{16}_[0-9a-f]{16}$/;

export function createIdTable(): IdTable {
  let words = new Uint32Array(1_024 * WORDS);
  /** Numbers by hash, one more than the number so that 0 is empty; at most half full. */
  let slots = new Int32Array(4_096);
  let size = 0;
  const foreign = new Map<string, number>();
  const foreignOf = new Map<number, string>();
  const wanted = new Uint32Array(WORDS);

  const next = (): number => {
    if ((size + 1) * WORDS > words.length) words = grown(words);
    size += 1;
    return size - 1;
  };

  const rehash = (): void => {
    slots = new Int32Array(slots.length * 2);
    for (let number = 0; number < size; number += 1) {
      if (foreignOf.has(number)) continue;
      let slot = hashOf(words, number * WORDS) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = number + 1;
    }
  };

  const addForeign = (id: string): number => {
    const known = foreign.get(id);
    if (known !== undefined) return known;
    const number = next();
    foreign.set(id, number);
    foreignOf.set(number, id);
    return number;
  };

  return {
    get size() {
      return size;
    },
    add: (id) => {
      if (!NDI_ID.test(id)) return addForeign(id);
      parse(id, wanted);
      if (size * 2 >= slots.length) rehash();
      let slot = hashOf(wanted, 0) & (slots.length - 1);
      for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
        const number = (slots[slot] as number) - 1;
        if (isSame(words, number * WORDS, wanted)) return number;
      }
      const number = next();
      words.set(wanted, number * WORDS);
      slots[slot] = number + 1;
      return number;
    },
    idOf: (number) => {
      const text = foreignOf.get(number);
      if (text !== undefined) return text;
      return format(words.subarray(number * WORDS, (number + 1) * WORDS));
    },
  };
}

function hashOf(words: Uint32Array, at: number): number {
  let hash = 0;
  for (let word = 0; word < WORDS; word += 1) {
    hash = Math.imul(hash ^ (words[at + word] as number), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2);
  larger.set(words);
  return larger;
}

function isSame(words: Uint32Array, at: number, wanted: Uint32Array): boolean {
  for (let word = 0; word < WORDS; word += 1) if (words[at + word] !== wanted[word]) return false;
  return true;
}

function parse(id: string, into: Uint32Array): void {
  for (let word = 0; word < WORDS; word += 1) {
    const at = word * 8 + (word < 2 ? 0 : 1);
    into[word] = Number.parseInt(id.slice(at, at + 8), 16);
  }
}

function format(words: Uint32Array): string {
  const [a, b, c, d] = Array.from(words, (word) => word.toString(16).padStart(8, '0'));
  return `${a}${b}_${c}${d}`;
}
