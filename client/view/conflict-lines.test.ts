import { describe, expect, it } from 'vitest';
import { parseDocument } from '../../ndi/document/codec.ts';
import { differenceLines } from './conflict-lines.ts';

const body = (members: string) =>
  parseDocument(`{"base":{"id":"41269700000000a1_3fd0000000000001"},${members}}`);

describe('a conflict on the screen', () => {
  it('shows each field that both sides changed, before and on both sides', () => {
    const lines = differenceLines({
      base: body('"g":{"a":1,"b":2}'),
      local: body('"g":{"a":NaN,"b":3}'),
      cloud: body('"g":{"a":null,"b":2}'),
    });
    expect(lines).toEqual(['g.a', '  before    1', '  here      NaN', '  cloud     []']);
  });

  it('shows what differs where nobody knows what was before', () => {
    const lines = differenceLines({ base: null, local: body('"g":1'), cloud: body('"h":2') });
    expect(lines).toEqual([
      'g',
      '  here      1',
      '  cloud     nothing',
      'h',
      '  here      nothing',
      '  cloud     2',
    ]);
  });

  it('says that fields do not collide, that one copy is gone, and that there are more fields', () => {
    const base = body('"g":1,"h":1');
    expect(differenceLines({ base, local: body('"g":2,"h":1'), cloud: body('"g":1,"h":2') })).toEqual([
      'Both sides changed different fields: --take merged keeps both.',
    ]);
    expect(differenceLines({ base, local: null, cloud: base })).toEqual(['It is not here any more.']);
    expect(differenceLines({ base, local: base, cloud: null })).toEqual([
      'The cloud does not have it any more.',
    ]);
    const list = (first: number) => body(`"g":[${Array.from({ length: 150 }, (_, at) => first + at)}]`);
    const many = { local: list(1_000), cloud: list(2_000) };
    expect(differenceLines({ base: list(0), ...many }).at(-1)).toBe('and 50 more fields');
    expect(differenceLines({ base: null, ...many }).at(-1)).toBe('and more fields');
  });

  it('shows no address of a binary, and nothing that steers the terminal', () => {
    const files = (uid: string) =>
      body(
        `"files":{"file_info":{"name":"f\\u001b[2J","locations":{"uid":"${uid}","location":"https://b/${uid}?X-Amz-Signature=s"}}}`,
      );
    const lines = differenceLines({ base: files('1'), local: files('2'), cloud: files('3') }).join('\n');
    expect(lines).toContain('"uid":"2"');
    expect(lines).not.toContain('Signature');
    expect(lines).not.toContain('\u001b');
  });
});
