import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArraySplitter } from './split.ts';

function* splitJsonArray(text: string): Generator<string> {
  const splitter = createArraySplitter();
  yield* splitter.push(Buffer.from(text));
  splitter.end();
}

const values = fc.array(
  fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.string(), fc.jsonValue()),
    fc.constantFrom('a"]', '\\', '}{', '[,]'),
  ),
);

describe('splitting a JSON array', () => {
  it('the elements are those of the whole array, however it arrives', () => {
    fc.assert(
      fc.property(
        values,
        fc.constantFrom(undefined, 1),
        fc.integer({ min: 1, max: 40 }),
        (array, indent, size) => {
          const text = ` ${JSON.stringify(array, undefined, indent)}\n`;
          const whole = [...splitJsonArray(text)].map((element) => JSON.parse(element));
          expect(whole).toEqual(JSON.parse(text));

          const bytes = Buffer.from(text);
          const splitter = createArraySplitter();
          const streamed: unknown[] = [];
          // The same memory again and again, as a socket has it.
          const memory = Buffer.alloc(size);
          for (let at = 0; at < bytes.length; at += size) {
            const length = bytes.copy(memory, 0, at, at + size);
            for (const element of splitter.push(memory.subarray(0, length)))
              streamed.push(JSON.parse(element));
          }
          splitter.end();
          expect(streamed).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('documents keep bare tokens; a single object is one element', () => {
    expect([...splitJsonArray('[{"a":NaN}, -Infinity ,{"b":"]"}]')]).toEqual([
      '{"a":NaN}',
      '-Infinity',
      '{"b":"]"}',
    ]);
    expect([...splitJsonArray(' {"a":[1,2]} ')]).toEqual(['{"a":[1,2]}']);
    expect([...splitJsonArray('\ufeff[1]')]).toEqual(['1']);
    expect([...splitJsonArray('[ ]')]).toEqual([]);
  });

  it('the elements before a fault are delivered, then the fault is named', () => {
    const split = splitJsonArray('[{"a":1},{"b":2}');
    expect(split.next().value).toBe('{"a":1}');
    expect(split.next().value).toBe('{"b":2}');
    expect(() => split.next()).toThrow('At byte 16: expected the end of the array');
    for (const bad of ['', '7', '[1]x', '[,]', '[1,]', '[1 2', '[{}{}]', '{}{}', '[1,,2]', '["a]']) {
      expect(() => [...splitJsonArray(bad)], bad).toThrow(
        expect.objectContaining({ code: 'NDI_E_BAD_JSON' }),
      );
    }
  });

  it('an element that is too large is passed over and counted, however it arrives', () => {
    const text = `["${'a'.repeat(8)}",{"b":"${'b'.repeat(400)}"},[1],"${'c'.repeat(9)}"]`;
    for (const size of [1, 7, 64, text.length]) {
      const splitter = createArraySplitter(10);
      const elements: string[] = [];
      for (let at = 0; at < text.length; at += size)
        elements.push(...splitter.push(Buffer.from(text.slice(at, at + size))));
      splitter.end();
      expect(elements).toEqual(['"aaaaaaaa"', '[1]']);
      expect(splitter.tooLarge).toBe(2);
    }
  });

  it('a 40 MB array is cut without holding it', () => {
    const splitter = createArraySplitter();
    const element = Buffer.from(`{"text":"${'x'.repeat(20_000)}"}`);
    let count = splitter.push(Buffer.from('[')).length;
    const started = performance.now();
    for (let at = 0; at < 2_000; at += 1)
      count += splitter.push(Buffer.concat([element, Buffer.from(at < 1_999 ? ',' : ']')])).length;
    splitter.end();
    expect(count).toBe(2_000);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
