import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLenient, splitElements, withLiterals } from './json.ts';

const split = async (text: string, chunkBytes: number): Promise<string[]> => {
  const bytes = Buffer.from(text);
  const chunks = async function* () {
    for (let i = 0; i < bytes.length; i += chunkBytes) yield bytes.subarray(i, i + chunkBytes);
  };
  const found: string[] = [];
  for await (const element of splitElements(chunks())) found.push(element);
  return found;
};

describe('JSON of the sandbox', () => {
  it('bare NaN and Infinity become sentinels and come back as literals; the same words in strings stay', () => {
    const value = parseLenient('{"a":[NaN,-Infinity,Infinity],"NaN":"NaN \\" Infinity"}');
    expect(value).toEqual({
      a: ['__NDI__NaN__', '__NDI__-Infinity__', '__NDI__Infinity__'],
      NaN: 'NaN " Infinity',
    });
    expect(withLiterals(JSON.stringify(value))).toBe(
      '{"a":[NaN,-Infinity,Infinity],"NaN":"NaN \\" Infinity"}',
    );
  });

  it('other broken JSON is refused', () => {
    for (const text of ['{a:1}', '[NaN', '{"a":nan}', 'NaNNaN'])
      expect(() => parseLenient(text)).toThrow(SyntaxError);
  });

  it('splitting finds the same elements as parsing, wherever the chunks break', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue()),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(undefined, 1),
        async (values, chunkBytes, indent) => {
          const found = await split(JSON.stringify(values, null, indent), chunkBytes);
          expect(found.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(values)));
        },
      ),
    );
  });

  it('a single object is one element; empty arrays have none', async () => {
    expect((await split(' {"a":[1,2]} ', 3)).map((t) => JSON.parse(t))).toEqual([{ a: [1, 2] }]);
    expect(await split(' [ ] ', 2)).toEqual([]);
  });

  it.each(['', '[1,2', '[1,,2]', '[1,]', '[1]x', '[}'])('a broken outline is refused: %s', async (text) => {
    await expect(split(text, 2)).rejects.toThrow(SyntaxError);
  });
});
