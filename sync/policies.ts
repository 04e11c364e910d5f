/** How conflicts are settled: one policy for a run, and others for single classes of documents. */
import { CourierError } from '../errors/index.ts';
import { foldName } from './spelling.ts';

export const CONFLICT_POLICIES = ['ask', 'keep-both', 'local', 'cloud', 'merge'] as const;

export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** The policies of a run. Plain data: they go through histories and plan files. */
export interface ConflictPolicies {
  readonly default: ConflictPolicy;
  /** By the class of the document itself; a superclass does not count. */
  readonly byClass: Readonly<Record<string, ConflictPolicy>>;
}

/** Class names are MATLAB names, and sometimes have a dot or a dash in the files of a laboratory. */
export const CLASS_NAME = /^[A-Za-z][\w.-]{0,127}$/;

/** @throws NDI_E_USAGE with the policies that there are */
export function parseConflictPolicy(text: string): ConflictPolicy {
  const folded = foldName(text);
  const policy = CONFLICT_POLICIES.find((name) => foldName(name) === folded);
  if (policy !== undefined) return policy;
  throw new CourierError('NDI_E_USAGE', {
    detail: `There is no policy ${JSON.stringify(text.slice(0, 80))}. The policies are ${CONFLICT_POLICIES.join(', ')}.`,
  });
}

/**
 * The policies of a run: `--conflicts` and every `--policy CLASS=POLICY`.
 * @throws NDI_E_USAGE for a rule that is not `CLASS=POLICY`, and for two that contradict each other
 */
export function parseConflictPolicies(conflicts: string, rules: readonly string[] = []): ConflictPolicies {
  const byClass = new Map<string, ConflictPolicy>();
  for (const rule of rules) {
    const { className, policy } = parseClassPolicy(rule);
    const before = byClass.get(className);
    if (before !== undefined && before !== policy) {
      throw new CourierError('NDI_E_USAGE', {
        detail: `The class ${className} has two policies, ${before} and ${policy}. Give one.`,
      });
    }
    byClass.set(className, policy);
  }
  // Sorted: the order of the flags makes no other plan.
  const sorted = [...byClass].sort(([a], [b]) => (a < b ? -1 : 1));
  return { default: parseConflictPolicy(conflicts), byClass: Object.fromEntries(sorted) };
}

function parseClassPolicy(rule: string): { readonly className: string; readonly policy: ConflictPolicy } {
  const equals = rule.indexOf('=');
  const className = rule.slice(0, Math.max(equals, 0)).trim();
  if (!CLASS_NAME.test(className)) {
    throw new CourierError('NDI_E_USAGE', {
      detail:
        `${JSON.stringify(rule.slice(0, 160))} is not CLASS=POLICY, for example subject=cloud. ` +
        `CLASS is the class of documents; the policies are ${CONFLICT_POLICIES.join(', ')}.`,
    });
  }
  return { className, policy: parseConflictPolicy(rule.slice(equals + 1)) };
}

/** The policy for a document of this class. */
export const policyFor = (policies: ConflictPolicies, className: string): ConflictPolicy =>
  (Object.hasOwn(policies.byClass, className) ? policies.byClass[className] : undefined) ?? policies.default;
