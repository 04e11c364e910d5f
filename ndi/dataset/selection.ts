/** Which documents of a dataset are meant: by id, by class, by session. */
import type { DocumentFacts } from '../document/types.ts';
import type { DatasetIdentity } from './types.ts';

/**
 * Documents that match every kind of condition that is given. Within one kind, one match is enough. Empty
 * lists are no condition.
 */
export interface Selection {
  /** NDI ids. */
  readonly documents: readonly string[];
  /** Class names; a document of a subclass matches, too. */
  readonly classes: readonly string[];
  /** Session ids or references. */
  readonly sessions: readonly string[];
}

export const isEverything = (selection: Selection | null): selection is null =>
  selection === null ||
  (selection.documents.length === 0 && selection.classes.length === 0 && selection.sessions.length === 0);

/** A predicate on documents. References of sessions are those of `identity`. */
export function createSelector(
  identity: Pick<DatasetIdentity, 'sessions' | 'datasetId' | 'reference'>,
  selection: Selection | null,
): (facts: Pick<DocumentFacts, 'id' | 'className' | 'superclasses' | 'sessionId'>) => boolean {
  if (isEverything(selection)) return () => true;
  const documents = new Set(selection.documents);
  const classes = new Set(selection.classes);
  const sessions = new Set(sessionIds(identity, selection.sessions));
  return ({ id, className, superclasses, sessionId }) =>
    (documents.size === 0 || documents.has(id)) &&
    (classes.size === 0 || classes.has(className) || superclasses.some((name) => classes.has(name))) &&
    (sessions.size === 0 || sessions.has(sessionId));
}

/** Ids for references; a text that is no known reference is taken for an id. */
function sessionIds(
  { sessions, datasetId, reference }: Pick<DatasetIdentity, 'sessions' | 'datasetId' | 'reference'>,
  wanted: readonly string[],
): string[] {
  return wanted.flatMap((text) => {
    const found = sessions
      .filter((session) => session.reference === text)
      .map((session) => session.sessionId);
    if (reference === text) found.push(datasetId);
    return found.length > 0 ? found : [text];
  });
}

/** A predicate on names. `*` is any text, `?` any character; no pattern matches everything. */
export function createNameMatcher(patterns: readonly string[] | null | undefined): (name: string) => boolean {
  if (patterns == null || patterns.length === 0) return () => true;
  const isPattern = (text: string): boolean => /[*?]/.test(text);
  const names = new Set(patterns.filter((text) => !isPattern(text)));
  const others = patterns.filter(isPattern);
  return (name) => names.has(name) || others.some((pattern) => matches(pattern, name));
}

/**
 * Takes at most the length of the pattern times that of the name. A regular expression would take far longer
 * for many `*` and a long name, which other people choose.
 */
function matches(pattern: string, name: string): boolean {
  let at = 0;
  let afterStar = -1;
  let retryFrom = 0;
  let position = 0;
  while (position < name.length) {
    const wanted = pattern[at];
    if (wanted === '*') {
      at += 1;
      afterStar = at;
      retryFrom = position;
    } else if (wanted === '?' || (wanted !== undefined && wanted === name[position])) {
      at += 1;
      position += 1;
    } else if (afterStar !== -1) {
      // The last star takes one character more.
      at = afterStar;
      retryFrom += 1;
      position = retryFrom;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
