import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import { parseDocument, stringifyDocument } from './codec.ts';
import { isRawNumber } from './json-raw.ts';
import { parseTolerant } from './tolerant.ts';
import type { JsonObject } from './types.ts';

const message = (text: string): string => {
  try {
    parseDocument(text);
  } catch (error) {
    expect(isCourierError(error, 'NDI_E_BAD_JSON')).toBe(true);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${text}`);
};

/** Text of a JSON number in any of its spellings. */
const numberText = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.bigInt({ min: 1n, max: 10n ** 25n }).map(String)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{1,20}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?\d{1,3}$/)),
  )
  .map((parts) => parts.join(''));

const special = fc.constantFrom('NaN', 'Infinity', '-Infinity', 'true', 'false', 'null', '[]', '{}');
const stringText = fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value.toWellFormed()));
const { json: jsonText } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    numberText,
    special,
    stringText,
    fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .uniqueArray(fc.tuple(stringText, tie('json')), { maxLength: 4, selector: ([key]) => key })
      .map((members) => `{${members.map(([key, value]) => `${key}:${value}`).join(',')}}`),
  ),
}));

/** JavaScript moves number-like keys to the front; then the text cannot come back in its order. */
const hasIndexKey = (text: string): boolean => /"\d+":/.test(text);

describe('the document codec', () => {
  it('compact text comes back character for character: numbers, NaN, Infinity, keys, Unicode', () => {
    fc.assert(
      fc.property(jsonText, (json) => {
        const text = `{"v":${json}}`;
        fc.pre(!hasIndexKey(text));
        expect(stringifyDocument(parseDocument(text))).toBe(text);
      }),
      { numRuns: 1_000 },
    );
  });

  it('number text survives in every position, with and without whitespace', () => {
    fc.assert(
      fc.property(numberText, fc.constantFrom('', ' ', '\n  '), (number, space) => {
        for (const text of [
          `{"a":${space}${number}${space}}`,
          `{"a":[1,${space}${number}${space},2]}`,
          `{"a":{"b":[${number}]}}`,
        ]) {
          expect(stringifyDocument(parseDocument(text))).toBe(text.replace(/\s/g, ''));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('both parsers agree on clean JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify({ value });
        expect(JSON.stringify(parseTolerant(text))).toBe(text);
        expect(JSON.stringify(parseDocument(text))).toBe(text);
      }),
    );
  });

  it.each([
    '-0',
    '0.0',
    '1.0',
    '1.10',
    '-2.50',
    '1e5',
    '1E5',
    '1e+21',
    '1e400',
    '-1e-7',
    '0.0000001',
    '-0.00000012',
    '9007199254740993',
    '1234567890123456789',
    '0.12345678901234567',
    '100000000000000000000000',
    '123456789012345678.5',
  ])('%s is kept wherever it stands alone', (number) => {
    for (const text of [
      `{"a":${number}}`,
      `{"a":[${number}]}`,
      `{"a":[1,${number},2]}`,
      `{"a":${number},"b":1}`,
    ]) {
      expect(stringifyDocument(parseDocument(text))).toBe(text);
      expect(
        stringifyDocument(parseDocument(text.replace(/([:,[])/g, '$1\n ').replace(/([}\]])/g, ' $1'))),
      ).toBe(text);
    }
  });

  it('ordinary numbers are numbers; only text that a double would change is kept', () => {
    const document = parseDocument(
      '{"a":1.1,"b":1.10,"c":1e400,"d":9007199254740993,"e":-0,"f":0.1234567890123456}',
    );
    expect(document.a).toBe(1.1);
    expect(document.f).toBe(0.1234567890123456);
    expect(document.e).toBe(-0);
    for (const key of ['b', 'c', 'd']) expect(isRawNumber(document[key])).toBe(true);
  });

  it('the cloud’s sentinel strings become numbers, but only as whole values', () => {
    const document = parseDocument(
      '{"a":"__NDI__NaN__","b":["__NDI__-Infinity__"],"c":"x__NDI__NaN__","__NDI__NaN__":1}',
    );
    expect(document.a).toBeNaN();
    expect(document.b).toEqual([Number.NEGATIVE_INFINITY]);
    expect(document.c).toBe('x__NDI__NaN__');
    expect(stringifyDocument(document)).toBe(
      '{"a":NaN,"b":[-Infinity],"c":"x__NDI__NaN__","__NDI__NaN__":1}',
    );
  });

  it('tokens inside strings stay text', () => {
    const text = String.raw`{"a":"NaN","b":"\"NaN\" and -Infinity \\","c":NaN}`;
    const document = parseDocument(text);
    expect(document.a).toBe('NaN');
    expect(stringifyDocument(document)).toBe(text);
  });

  it('a byte order mark, __proto__ keys and duplicate keys do no harm', () => {
    expect(parseDocument('\ufeff{"a":1}')).toEqual({ a: 1 });
    const text = '{"__proto__":{"polluted":NaN}}';
    expect(stringifyDocument(parseDocument(text))).toBe(text);
    expect(({} as JsonObject).polluted).toBeUndefined();
    expect(parseDocument('{"a":1,"a":NaN}').a).toBeNaN();
  });

  it('what is not JSON is refused with the place', () => {
    expect(message('{"a":1,\n "b":}')).toContain(
      'line 2 column 6 (character 13): expected a value, found "}"',
    );
    expect(message('')).toContain('found the end');
    expect(message('[1]')).toContain('expected an object');
    expect(message('"NaN"')).toContain('expected an object');
    expect(message('{"a":1} x')).toContain('nothing more');
    expect(message('{"a":"\\x"}')).toContain('valid escapes');
    expect(message('{"a":"b')).toContain('the end of a string');
    expect(message('{"a":NaNny}')).toContain('"," or "}"');
    expect(message('{"a":01}')).toContain('"," or "}"');
    expect(message('{a:1}')).toContain('a name in quotes');
    expect(message("{'a':1}")).toContain('a name in quotes');
  });

  it('whatever the platform refuses, we refuse, unless a bare token explains it', () => {
    fc.assert(
      fc.property(jsonText, fc.nat(), fc.string({ minLength: 1, maxLength: 2 }), (json, at, insert) => {
        const text = `{"v":${json}}`;
        const broken = text.slice(0, at % text.length) + insert + text.slice((at % text.length) + 1);
        fc.pre(!/NaN|Inf/.test(broken));
        let valid = true;
        try {
          JSON.parse(broken);
        } catch {
          valid = false;
        }
        if (valid) expect(() => parseTolerant(broken)).not.toThrow();
        else expect(() => parseDocument(broken)).toThrow();
      }),
      { numRuns: 500 },
    );
  });

  it('nesting has a limit, the same on both paths', () => {
    const nested = (levels: number, leaf: string): string =>
      `{"a":${'['.repeat(levels)}${leaf}${']'.repeat(levels)}}`;
    for (const leaf of ['1', 'NaN']) {
      expect(() => parseDocument(nested(512, leaf))).not.toThrow();
      expect(message(nested(513, leaf))).toContain('at most 512 levels');
      expect(message(nested(200_000, leaf))).toContain('at most 512 levels');
    }
  });

  it('a long string of escapes does not exhaust the stack', () => {
    const value = '\\"x'.repeat(2_000_000);
    const document = parseDocument(`{"a":NaN,"b":"${value}"}`);
    expect((document.b as string).length).toBe(4_000_000);
  });
});
