import { describe, expect, it } from 'vitest';
import { withoutQueries } from './redact.ts';

describe('withoutQueries', () => {
  it.each([
    [
      'a bare URL',
      'GET https://s3.example/a/b?X-Amz-Signature=abc failed',
      'GET https://s3.example/a/b?… failed',
    ],
    [
      'a URL in quotes',
      `"https://s3.example/a?sig=1" and 'http://x/b?sig=2'.`,
      `"https://s3.example/a?…" and 'http://x/b?…'.`,
    ],
    ['a query with an apostrophe in it', "https://x/a?sig=a'b&c=d end", 'https://x/a?… end'],
    ['a path with an apostrophe in it', "https://x/it's?sig=1", "https://x/it's?…"],
    ['capital letters', 'HTTPS://X/A?SIG=1', 'HTTPS://X/A?…'],
    [
      'JSON that escapes slashes and ampersands',
      String.raw`{"a":"https:\/\/x\/a?b=1\u0026sig=2","c":1}`,
      String.raw`{"a":"https:\/\/x\/a?…","c":1}`,
    ],
    ['an angle-bracketed URL', '<https://x/a?sig=1>', '<https://x/a?…>'],
    ['two URLs', 'https://x/a?s=1 https://x/b?s=2', 'https://x/a?… https://x/b?…'],
    ['an empty query', 'https://x/a?', 'https://x/a?…'],
  ])('hides the query of %s', (_, text, shown) => {
    expect(withoutQueries(text)).toBe(shown);
  });

  it('leaves everything else as it is', () => {
    const text = 'Is https://x/a#part there? Ask "a?b" of http://x/b.';
    expect(withoutQueries(text)).toBe(text);
  });

  it('puts in the place of a query what the caller asks for', () => {
    expect(withoutQueries('https://x/a?s=1', '')).toBe('https://x/a');
    expect(withoutQueries('https://x/a?s=1', '$1')).toBe('https://x/a$1');
  });
});
