/**
 * The identity of a dataset: its id, its name, its sessions, its links to the cloud (dataset format §5). The
 * answer comes from documents alone; the two text files are rewritten by every opener and are only a last
 * resort.
 */
import { basename, resolve } from 'node:path';
import { readSourceText } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import { parseDocument } from '../document/codec.ts';
import { asArray, asObject, asText } from '../document/describe.ts';
import { isRawNumber } from '../document/json-raw.ts';
import type { JsonObject, JsonValue } from '../document/types.ts';
import { isNdiId } from '../ids.ts';
import { referencePath, uniqueReferencePath } from './layout.ts';
import type { DatasetIdentity, MemberSession, RemoteLink, StoredDocument } from './types.ts';

/** The classes that say what a dataset is. Every document of one holds its class name in quotes. */
export const BOOKKEEPING_CLASSES = [
  'session',
  'session_in_a_dataset',
  'dataset_session_info',
  'dataset_remote',
] as const;

/** The bookkeeping documents of a dataset, reduced to what identifies it. */
export interface Bookkeeping {
  /** `session` documents: id of the session and its reference. */
  readonly sessions: readonly { readonly sessionId: string; readonly reference: string }[];
  /** Entries of tracking documents, each with the id of the dataset that tracks. */
  readonly tracked: readonly (MemberSession & { readonly datasetId: string; readonly legacy: boolean })[];
  readonly remotes: readonly RemoteLink[];
}

/**
 * Reads the candidates; one that is not JSON is no bookkeeping document and is left for the caller of
 * `documents()`.
 */
export function readBookkeeping(candidates: Iterable<StoredDocument>): Bookkeeping {
  const sessions: { sessionId: string; reference: string }[] = [];
  const tracked: (MemberSession & { datasetId: string; legacy: boolean })[] = [];
  const remotes: RemoteLink[] = [];
  for (const { id, text } of candidates) {
    const document = tryParse(text);
    if (document === undefined) continue;
    const base = asObject(document.base);
    const owner = asText(base.session_id);
    switch (asText(asObject(document.document_class).class_name)) {
      case 'session':
        sessions.push({ sessionId: owner, reference: asText(asObject(document.session).reference) });
        break;
      case 'session_in_a_dataset':
        tracked.push(trackedSession(document.session_in_a_dataset, owner, false));
        break;
      case 'dataset_session_info':
        for (const entry of asArray(asObject(document.dataset_session_info).dataset_session_info)) {
          tracked.push(trackedSession(entry, owner, true));
        }
        break;
      case 'dataset_remote': {
        const remote = asObject(document.dataset_remote);
        remotes.push({
          documentId: id,
          cloudDatasetId: asText(remote.dataset_id),
          organizationId: asText(remote.organization_id),
        });
        break;
      }
    }
  }
  return { sessions, tracked, remotes };
}

function tryParse(text: string): JsonObject | undefined {
  try {
    return parseDocument(text);
  } catch {
    return undefined;
  }
}

function trackedSession(
  value: JsonValue | undefined,
  datasetId: string,
  legacy: boolean,
): MemberSession & { datasetId: string; legacy: boolean } {
  const entry = asObject(value);
  const linked = isTrue(entry.is_linked);
  return {
    datasetId,
    legacy,
    sessionId: asText(entry.session_id),
    reference: asText(entry.session_reference),
    linked,
    path: linked ? asText(entry.session_creator_input2) : '',
  };
}

/** MATLAB writes 1, Python true. */
const isTrue = (value: JsonValue | undefined): boolean => {
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return one === true || one === 1 || (isRawNumber(one) && Number(one.rawJSON) === 1);
};

/**
 * The dataset's own session id, in the order of both openers: legacy tracking document, tracking document,
 * the only `session`. Undefined when the documents do not say.
 */
export function datasetIdOf(bookkeeping: Bookkeeping): string | undefined {
  const owner = (legacy: boolean): string | undefined =>
    bookkeeping.tracked.find((entry) => entry.legacy === legacy && entry.datasetId !== '')?.datasetId;
  const sessionIds = new Set(bookkeeping.sessions.map((session) => session.sessionId));
  return owner(true) ?? owner(false) ?? (sessionIds.size === 1 ? [...sessionIds][0] : undefined);
}

/**
 * The identity of the dataset in `dir`.
 * @throws NDI_E_AMBIGUOUS_DATASET_ID when several sessions claim it, or none and the text file is no help.
 */
export function identityOf(dir: string, bookkeeping: Bookkeeping): DatasetIdentity {
  const datasetId = datasetIdOf(bookkeeping) ?? idFromText(dir, bookkeeping);
  const own = bookkeeping.sessions.find((session) => session.sessionId === datasetId);
  return {
    datasetId,
    reference: own?.reference || readText(referencePath(dir)) || basename(resolve(dir)),
    remotes: bookkeeping.remotes,
    sessions: memberSessions(bookkeeping, datasetId),
  };
}

/** Without any `session` document the text file is all there is: both openers would take the id from it. */
function idFromText(dir: string, bookkeeping: Bookkeeping): string {
  const id = readText(uniqueReferencePath(dir));
  if (bookkeeping.sessions.length === 0 && isNdiId(id)) return id;
  throw new CourierError('NDI_E_AMBIGUOUS_DATASET_ID', {
    detail: `${bookkeeping.sessions.length} sessions in ${dir}.`,
  });
}

/**
 * Tracked sessions once each (Python doubles them), then sessions nobody tracks: Python would track those on
 * open.
 */
function memberSessions(bookkeeping: Bookkeeping, datasetId: string): MemberSession[] {
  const members = new Map<string, MemberSession>();
  for (const { datasetId: owner, legacy: _legacy, ...session } of bookkeeping.tracked) {
    if (owner !== datasetId || session.sessionId === '' || session.sessionId === datasetId) continue;
    if (!members.has(session.sessionId)) members.set(session.sessionId, session);
  }
  for (const { sessionId, reference } of bookkeeping.sessions) {
    if (sessionId === '' || sessionId === datasetId || members.has(sessionId)) continue;
    members.set(sessionId, { sessionId, reference, linked: false, path: '' });
  }
  return [...members.values()];
}

function readText(path: string): string {
  try {
    return readSourceText(path).trim();
  } catch {
    return '';
  }
}
