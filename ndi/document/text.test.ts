import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument, textForCloud } from './codec.ts';
import { decodeText } from './text.ts';

describe('bytes of a document', () => {
  it('that are UTF-8 become the text that they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const whole = text.toWellFormed();
        expect(decodeText(Buffer.from(whole))).toBe(whole);
      }),
    );
  });

  it('that are no UTF-8 are refused, with the place of the first', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a":"é\ufffd","b":"'),
      Buffer.from([0xb5]),
      Buffer.from('V"}'),
    ]);
    expect(() => parseDocument(decodeText(bytes))).toThrow(
      expect.objectContaining({ code: 'NDI_E_BAD_JSON', message: expect.stringContaining('character 15') }),
    );
  });

  it('that are no UTF-8 stay different where they are different', () => {
    expect(decodeText(Buffer.from([0xb5]))).not.toBe(decodeText(Buffer.from([0xb0])));
  });
});

describe('the text for the cloud', () => {
  it.each([
    ['\ufeff{"a":1.10}', '{"a":1.10}'],
    ['{"a":[Inf, -Inf ,"[Inf]"]}', '{"a":[Infinity,-Infinity,"[Inf]"]}'],
    ['{ "a": NaN, "b": "Information" }', '{ "a": NaN, "b": "Information" }'],
  ])('of %j is %j', (text, expected) => {
    expect(textForCloud(text)).toBe(expected);
  });
});
