import { describe, expect, it } from 'vitest';
import { hasMoreValues, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_VALUES } from './bounds.ts';
import { parseDocument } from './codec.ts';

const failing = (text: string): string => {
  try {
    parseDocument(text);
    return 'it was parsed';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a document that a worker cannot hold', () => {
  it('is refused by its values, whatever they are, before it is parsed', () => {
    for (const value of ['1', '[]', '{}', '{"a":1}'])
      expect(failing(`{"a":[${`${value},`.repeat(MAX_DOCUMENT_VALUES)}0]}`), value).toBe(
        'NDI_E_DOCUMENT_TOO_LARGE',
      );
  });

  it('is refused by its size', () => {
    expect(failing(`{"a":"${'x'.repeat(MAX_DOCUMENT_BYTES)}"}`)).toBe('NDI_E_DOCUMENT_TOO_LARGE');
    const text = `{"a":"${',['.repeat(MAX_DOCUMENT_VALUES)}"}`;
    expect(failing(text)).toBe('it was parsed');
  });

  it('is told by commas and brackets outside strings', () => {
    expect(hasMoreValues('{"a,[":[1,2],"b\\",{":3}', 4)).toBe(false);
    expect(hasMoreValues('{"a,[":[1,2],"b\\",{":3}', 3)).toBe(true);
    expect(hasMoreValues('{"a', 0)).toBe(true);
  });
});
