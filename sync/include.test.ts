import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createInclusion, EVERYTHING, formatRule, parseIncludeRules, rulesFingerprint } from './include.ts';

const ID = '41269700000000a1_3fd0000000000001';
const subject = { id: ID, className: 'subject', name: 'rig3 mouse' };

const isIn = (
  include: string[],
  exclude: string[],
  item: Parameters<ReturnType<typeof createInclusion>>[0],
) => createInclusion(parseIncludeRules(include, exclude))(item);

const rules = fc.array(
  fc.constantFrom('class=subject', 'class=element', 'id=4126*', 'id=*1', 'name=rig?*', 'name=*', 'name=a*b'),
  { maxLength: 5 },
);

describe('the rules of a sync', () => {
  it.each<[string, string[], string[], boolean]>([
    ['no rule is everything', [], [], true],
    ['a class', ['class=subject'], [], true],
    ['another class', ['class=element'], [], false],
    ['a class in other letters', ['class=Subject'], [], false],
    ['the whole id', [`id=${ID}`], [], true],
    ['the beginning of an id', ['id=41269700*'], [], true],
    ['a part of an id without a star', ['id=41269700'], [], false],
    ['a name with ?', ['name=rig? mouse'], [], true],
    ['a name with *', ['name=*mouse'], [], true],
    ['one rule of several', ['class=element', 'name=rig3*'], [], true],
    ['an exclusion', [], ['class=subject'], false],
    ['an exclusion of something else', [], ['class=element'], true],
    ['an exclusion from what is included', ['class=subject'], ['name=rig3*'], false],
  ])('%s', (_, include, exclude, expected) => {
    expect(isIn(include, exclude, subject)).toBe(expected);
  });

  it('take characters of expressions for themselves', () => {
    expect(isIn(['name=a.c[1]'], [], { ...subject, name: 'a.c[1]' })).toBe(true);
    expect(isIn(['name=a.c[1]'], [], { ...subject, name: 'abc1' })).toBe(false);
    expect(isIn(['name=x=y'], [], { ...subject, name: 'x=y' })).toBe(true);
    expect(isIn(['name= a'], [], { ...subject, name: ' a' })).toBe(true);
    expect(isIn(['name=a*c'], [], { ...subject, name: 'a\n c' })).toBe(true);
  });

  it('know no class and no name of a document that has none', () => {
    expect(isIn(['class=subject'], [], { id: ID })).toBe(false);
    expect(isIn([], ['class=subject'], { id: ID })).toBe(true);
    expect(isIn(['name=*'], [], { id: ID })).toBe(true);
  });

  it.each([
    '',
    'subject',
    'class=',
    'class=sub*',
    'class=two words',
    'id=',
    'id= ',
    'name=',
    'size=3',
    'Class=x',
  ])('are not %j', (text) => {
    for (const given of [() => parseIncludeRules([text]), () => parseIncludeRules([], [text])]) {
      expect(given).toThrow(expect.objectContaining({ code: 'NDI_E_USAGE' }));
      expect(given).toThrow('class=NAME, id=GLOB and name=GLOB');
    }
  });

  it('mean the same in every order, given once or twice', () => {
    fc.assert(
      fc.property(rules, rules, (include, exclude) => {
        const once = parseIncludeRules(include, exclude);
        const again = parseIncludeRules(
          [...include.toReversed(), ...include],
          [...exclude, ...exclude.toReversed()],
        );
        expect(again).toEqual(once);
        expect(rulesFingerprint(again)).toBe(rulesFingerprint(once));
        expect(parseIncludeRules(once.include.map(formatRule), once.exclude.map(formatRule))).toEqual(once);
      }),
    );
  });

  it('have one fingerprint each', () => {
    fc.assert(
      fc.property(rules, rules, rules, rules, (a, b, c, d) => {
        const [one, other] = [parseIncludeRules(a, b), parseIncludeRules(c, d)];
        const isSame = JSON.stringify(one) === JSON.stringify(other);
        expect(rulesFingerprint(one) === rulesFingerprint(other)).toBe(isSame);
      }),
    );
    // Pinned: a base of an earlier release must still know its rules.
    expect(rulesFingerprint(EVERYTHING)).toBe('rules-1-643d5437104296e21d906ecb15b2c96a');
    expect(rulesFingerprint(parseIncludeRules(['class=subject', 'name=rig3*'], ['id=x?']))).toBe(
      'rules-1-8254ae705257c7bddc41fffac7633946',
    );
  });

  it('never let a document in that is excluded, nor one more by an exclusion', () => {
    const items = fc.record({
      id: fc.constantFrom(ID, 'b1', 'x2'),
      className: fc.constantFrom('subject', 'element', 'probe'),
      name: fc.constantFrom('', 'rig3', 'a to b'),
    });
    fc.assert(
      fc.property(rules, rules, items, (include, exclude, item) => {
        const both = isIn(include, exclude, item);
        if (both) expect(isIn(include, [], item)).toBe(true);
        if (exclude.length > 0 && isIn(exclude, [], item)) expect(both).toBe(false);
      }),
    );
  });
});
