import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrayElements, objectMembers, parseLenient, withoutMember } from './json-text.ts';

const anyObject = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 6 });

describe('spans of JSON text', () => {
  it('cut every member and element exactly, whatever the spacing', () => {
    fc.assert(
      fc.property(anyObject, fc.constantFrom(undefined, 1, '\t'), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        const members = objectMembers(text);
        const back = Object.fromEntries(
          members.map((member) => [member.key, JSON.parse(text.slice(member.valueStart, member.valueEnd))]),
        );
        expect(back).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (array, indent) => {
        const text = JSON.stringify(array, null, indent);
        const parts = arrayElements(text).map(({ start, end }) => JSON.parse(text.slice(start, end)));
        expect(parts).toEqual(JSON.parse(text));
      }),
    );
  });

  it('take one member out and leave valid JSON', () => {
    fc.assert(
      fc.property(anyObject, fc.nat(), (object, pick) => {
        const text = JSON.stringify(object, null, 1);
        const members = objectMembers(text);
        if (members.length === 0) return;
        const index = pick % members.length;
        const { [members[index]!.key]: _gone, ...rest } = JSON.parse(text);
        expect(JSON.parse(withoutMember(text, members, index))).toEqual(rest);
      }),
    );
  });

  it('keep number text and bare literals', () => {
    const text = '{"a": 1.10, "b":[NaN,-Infinity , 9007199254740993],"c":"x\\\\\\"}"}';
    const values = objectMembers(text).map(({ valueStart, valueEnd }) => text.slice(valueStart, valueEnd));
    expect(values).toEqual(['1.10', '[NaN,-Infinity , 9007199254740993]', '"x\\\\\\"}"']);
  });

  it('refuse text that breaks off', () => {
    for (const text of ['', '{', '{"a"', '{"a":', '{"a":1', '{"a":1 "b":2}', '{"a":"x}', '[1', 'nothing']) {
      expect(() => objectMembers(text), text).toThrow(SyntaxError);
    }
    expect(() => arrayElements('[1,2')).toThrow(SyntaxError);
    expect(() => arrayElements('[1,,2]')).toThrow(SyntaxError);
  });
});

describe('parseLenient', () => {
  it('reads literals and sentinels as numbers, and leaves the words inside strings alone', () => {
    expect(parseLenient('{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN Infinity \\"NaN"}')).toEqual({
      a: Number.NaN,
      b: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      c: 'NaN Infinity "NaN',
    });
    expect(parseLenient('["__NDI__NaN__","__NDI__-Infinity__","x__NDI__NaN__"]')).toEqual([
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      'x__NDI__NaN__',
    ]);
  });

  it('agrees with JSON.parse on JSON and refuses what is none', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseLenient(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(() => parseLenient('<html>NaN</html>')).toThrow(SyntaxError);
  });
});

describe('an answer that is too much', () => {
  it.each([
    ['nested deeper than any answer', '['.repeat(600_000) + ']'.repeat(600_000), 'more than 100 levels'],
    ['nested and cut off', '['.repeat(600_000), 'more than 100 levels'],
    ['of too many values', `[${'{},'.repeat(600_000)}{}]`, 'more than 500000 values'],
  ])('%s is refused before it is parsed', (_what, text, words) => {
    expect(() => parseLenient(text)).toThrow(words);
  });

  it('is none because of what its strings hold', () => {
    const text = `["${'[,'.repeat(400_000)}"]`;
    expect(parseLenient(text)).toEqual(JSON.parse(text));
  });

  it('is an object of too many members where a scan lists them', () => {
    expect(() => objectMembers(`{${'"":1,'.repeat(20_000)}"":1}`)).toThrow('more than 10000 members');
    expect(() => arrayElements(`[${'1,'.repeat(20_000)}1]`)).toThrow('more than 10000 elements');
  });
});
