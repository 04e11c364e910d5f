/**
 * `--include RULE` and `--exclude RULE`: which documents a sync is about. A rule is one of
 *
 *   class=NAME   documents of this class; a subclass does not count, as the cloud's list names none
 *   id=GLOB      NDI ids: `*` is any text, `?` any character
 *   name=GLOB    names of documents, likewise
 *
 * A document is in when one rule of `--include` fits or there is none, and no rule of `--exclude` fits. The
 * order of the rules does not matter. A document that is out is left as it is on both sides.
 */
import { hash } from 'node:crypto';
import { CourierError } from '../errors/index.ts';
import { createNameMatcher } from '../ndi/dataset/selection.ts';
import { CLASS_NAME } from './policies.ts';
import type { HeldItem } from './types.ts';

const FIELDS = ['class', 'id', 'name'] as const;
type RuleField = (typeof FIELDS)[number];

export interface IncludeRule {
  readonly field: RuleField;
  readonly pattern: string;
}

/** Plain data, sorted and without doubles: equal sets of rules are equal values. */
export interface IncludeRules {
  readonly include: readonly IncludeRule[];
  readonly exclude: readonly IncludeRule[];
}

export const EVERYTHING: IncludeRules = { include: [], exclude: [] };

/** What a rule looks at. Both sides know it of each document without its body. */
export type RuleSubject = Pick<HeldItem, 'id' | 'className' | 'name'>;

/** @throws NDI_E_USAGE naming the rule that is none */
export const parseIncludeRules = (
  include: readonly string[] = [],
  exclude: readonly string[] = [],
): IncludeRules => ({ include: inOrder(include.map(parseRule)), exclude: inOrder(exclude.map(parseRule)) });

const RULE = /^\s*(class|id|name)\s*=(.+)$/s;

function parseRule(text: string): IncludeRule {
  const [, field, value = ''] = RULE.exec(text) ?? [];
  // A name may begin or end with a space; an id and a class may not.
  const pattern = field === 'name' ? value : value.trim();
  if (field === 'class' && CLASS_NAME.test(pattern)) return { field, pattern };
  if ((field === 'id' || field === 'name') && pattern !== '')
    return { field, pattern: pattern.replace(/\*+/g, '*') };
  throw new CourierError('NDI_E_USAGE', {
    detail:
      `${JSON.stringify(text.slice(0, 160))} is no rule. Rules are class=NAME, id=GLOB and name=GLOB, ` +
      'for example class=subject or name=rig3*; in a GLOB, * is any text and ? any character.',
  });
}

export const formatRule = ({ field, pattern }: IncludeRule): string => `${field}=${pattern}`;

/** By the units of the text, which is the same on every computer. */
function inOrder(rules: readonly IncludeRule[]): IncludeRule[] {
  const byText = new Map(rules.map((rule) => [formatRule(rule), rule]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule);
}

/** Whether a document is in. */
export function createInclusion({ include, exclude }: IncludeRules): (item: RuleSubject) => boolean {
  const isWanted = include.length === 0 ? () => true : anyOf(include);
  const isUnwanted = exclude.length === 0 ? () => false : anyOf(exclude);
  return (item) => isWanted(item) && !isUnwanted(item);
}

function anyOf(rules: readonly IncludeRule[]): (item: RuleSubject) => boolean {
  const patterns = (field: RuleField): string[] =>
    rules.filter((rule) => rule.field === field).map((rule) => rule.pattern);
  const matcher = (field: RuleField): ((text: string) => boolean) =>
    patterns(field).length === 0 ? () => false : createNameMatcher(patterns(field));
  const classes = new Set(patterns('class'));
  const fitsId = matcher('id');
  const fitsName = matcher('name');
  return ({ id, className = '', name = '' }) => classes.has(className) || fitsId(id) || fitsName(name);
}

/** Changes whenever the same words come to mean other documents. */
const MEANING = 1;

/**
 * One text for each set of rules, the same on every computer and in every order of the flags. The base of a
 * sync keeps it: under other rules, what the base does not have says nothing (peers §3.1, rule 15).
 */
export function rulesFingerprint({ include, exclude }: IncludeRules): string {
  const text = JSON.stringify([inOrder(include).map(formatRule), inOrder(exclude).map(formatRule)]);
  return `rules-${MEANING}-${hash('sha256', text).slice(0, 32)}`;
}
