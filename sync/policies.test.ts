import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONFLICT_POLICIES, parseConflictPolicies, parseConflictPolicy, policyFor } from './policies.ts';

const usage = expect.objectContaining({ code: 'NDI_E_USAGE' });

describe('a conflict policy', () => {
  it('goes by its name, in any spelling of it', () => {
    for (const policy of CONFLICT_POLICIES) {
      expect(parseConflictPolicy(policy)).toBe(policy);
      expect(parseConflictPolicy(policy.toUpperCase())).toBe(policy);
    }
    for (const text of ['keep_both', 'KeepBoth', 'KEEP_BOTH'])
      expect(parseConflictPolicy(text)).toBe('keep-both');
  });

  it.each(['', 'newer', 'remote', 'both', 'toString'])(
    'is not %j, and the error lists all policies',
    (text) => {
      expect(() => parseConflictPolicy(text)).toThrow(usage);
      for (const policy of CONFLICT_POLICIES) expect(() => parseConflictPolicy(text)).toThrow(policy);
    },
  );
});

describe('the policies of a run', () => {
  it('are one for all documents, and others for single classes', () => {
    const policies = parseConflictPolicies('ask', [
      'subject=cloud',
      ' ontologyTableRow = Merge',
      'subject=CLOUD',
    ]);
    expect(policies).toEqual({ default: 'ask', byClass: { ontologyTableRow: 'merge', subject: 'cloud' } });
    expect(policyFor(policies, 'subject')).toBe('cloud');
    expect(policyFor(policies, 'Subject')).toBe('ask');
    expect(policyFor(policies, 'element')).toBe('ask');
    expect(policyFor(policies, '')).toBe('ask');
  });

  it('do not mistake a class for a member that every object has', () => {
    const policies = parseConflictPolicies('local', ['constructor=merge']);
    expect(policyFor(policies, 'constructor')).toBe('merge');
    expect(policyFor(policies, 'toString')).toBe('local');
    expect(policyFor(policies, '__proto__')).toBe('local');
  });

  it('are the same text in whichever order they are given', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('subject', 'element', 'probe_location', 'b'), { maxLength: 4 }),
        fc.array(fc.constantFrom(...CONFLICT_POLICIES), { minLength: 4, maxLength: 4 }),
        (classes, policies) => {
          const rules = classes.map((name, at) => `${name}=${policies[at]}`);
          const forwards = parseConflictPolicies('ask', rules);
          expect(JSON.stringify(parseConflictPolicies('ask', rules.toReversed()))).toBe(
            JSON.stringify(forwards),
          );
          for (const [at, name] of classes.entries()) expect(policyFor(forwards, name)).toBe(policies[at]);
        },
      ),
    );
  });

  it.each(['subject', '=cloud', 'subject:cloud', 'two words=cloud', '', '1class=ask', '../x=ask'])(
    'do not take %j for a rule',
    (rule) => {
      expect(() => parseConflictPolicies('ask', [rule])).toThrow(usage);
      expect(() => parseConflictPolicies('ask', [rule])).toThrow('CLASS=POLICY');
    },
  );

  it.each(['subject=', 'subject=newer', 'subject=cloud=local'])('do not take the policy of %j', (rule) => {
    expect(() => parseConflictPolicies('ask', [rule])).toThrow(usage);
    expect(() => parseConflictPolicies('ask', [rule])).toThrow('keep-both');
  });

  it('do not contradict each other', () => {
    expect(() => parseConflictPolicies('ask', ['subject=cloud', 'subject=local'])).toThrow(usage);
    expect(() => parseConflictPolicies('ask', ['subject=cloud', 'subject=local'])).toThrow('two policies');
  });
});
