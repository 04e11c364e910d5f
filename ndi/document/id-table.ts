/**
 * Dense numbers for NDI ids. A million ids as strings in a map take 110 MB; here each takes 16 bytes and a slot of a hash table. Ids of
 * another form than NDI's own are kept as strings.
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

  const slotOf = (of: Uint32Array, at: number): number => {
    let hash = 0;
    for (let word = 0; word < WORDS; word += 1) {
      hash = Math.imul(hash ^ (of[at + word] as number), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash & (slots.length - 1);
  };

  const isAt = (number: number): boolean => {
    for (let word = 0; word < WORDS; word += 1)
      if (words[number * WORDS + word] !== wanted[word]) return false;
    return true;
  };

  const next = (): number => {
    if ((size + 1) * WORDS > words.length) {
      const larger = new Uint32Array(words.length * 2);
      larger.set(words);
      words = larger;
    }
    size += 1;
    return size - 1;
  };

  const rehash = (): void => {
    slots = new Int32Array(slots.length * 2);
    for (let number = 0; number < size; number += 1) {
      if (foreignOf.has(number)) continue;
      let slot = slotOf(words, number * WORDS);
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
      for (let word = 0; word < WORDS; word += 1) {
        const at = word * 8 + (word < 2 ? 0 : 1);
        wanted[word] = Number.parseInt(id.slice(at, at + 8), 16);
      }
      if (size * 2 >= slots.length) rehash();
      let slot = slotOf(wanted, 0);
      for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
        const number = (slots[slot] as number) - 1;
        if (isAt(number)) return number;
      }
      const number = next();
      words.set(wanted, number * WORDS);
      slots[slot] = number + 1;
      return number;
    },
    idOf: (number) => {
      const text = foreignOf.get(number);
      if (text !== undefined) return text;
      const [a, b, c, d] = Array.from(words.subarray(number * WORDS, (number + 1) * WORDS), (word) =>
        word.toString(16).padStart(8, '0'),
      );
      return `${a}${b}_${c}${d}`;
    },
  };
}
