/**
 * Documents (NDI Cloud contract §2.5, E1–E10), one function per endpoint. Bodies go and come as text: the
 * text of a document is the truth, and a parsed number would not give it back.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { badAnswer, createdAnswer, readAs, text, urlAnswer, withId } from './answers.ts';
import { cloudId, deleteTime, pageQuery } from './ids.ts';
import { arrayElements, type Member, objectMembers, parseLenient, withoutMember } from './json-text.ts';
import { pageOf } from './pages.ts';
import type { ApiAnswer, Requester } from './request.ts';
import type { CloudClient, DocumentSummary, Page, PageQuery } from './types.ts';

/** The server refuses more, and fewer than one (§2.5 E8). */
const MOST_FETCHED = 500;

const documentRow = withId({ ndiId: text, name: text, className: text }).transform(
  (row): DocumentSummary => ({ id: row.id, ndiId: row.ndiId, name: row.name, className: row.className }),
);

const wholeNumber = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.number().int().nonnegative(),
);
const countAnswer = z.looseObject({ count: wholeNumber }).transform((answer) => answer.count);
const classCountsAnswer = z
  .looseObject({ classCounts: z.record(z.string(), wholeNumber) })
  .transform((answer) => answer.classCounts);

type Documents = CloudClient['documents'];

export function createDocuments(requester: Requester): Documents {
  return { ...readers(requester), ...writers(requester), ...bulk(requester) };
}

function readers(
  requester: Requester,
): Pick<Documents, 'list' | 'deleted' | 'count' | 'classCounts' | 'get'> {
  const read = (path: readonly string[], what: string, signal?: AbortSignal): Promise<ApiAnswer> =>
    requester.send({ method: 'GET', path, kind: 'read', auth: 'optional', what, signal });
  return {
    async list(datasetId, query, signal) {
      const id = cloudId('dataset', datasetId);
      return page(requester, ['datasets', id, 'documents'], query, `list documents of ${id}`, signal);
    },
    async deleted(datasetId, query, signal) {
      const id = cloudId('dataset', datasetId);
      return page(
        requester,
        ['datasets', id, 'documents', 'deleted'],
        query,
        `list deleted documents of ${id}`,
        signal,
      );
    },
    async count(datasetId, signal) {
      const id = cloudId('dataset', datasetId);
      return readAs(
        await read(['datasets', id, 'document-count'], `count documents of ${id}`, signal),
        countAnswer,
      );
    },
    async classCounts(datasetId, signal) {
      const id = cloudId('dataset', datasetId);
      const what = `count document classes of ${id}`;
      return readAs(await read(['datasets', id, 'document-class-counts'], what, signal), classCountsAnswer);
    },
    async get(datasetId, documentId, signal) {
      const path = ['datasets', cloudId('dataset', datasetId), 'documents', cloudId('document', documentId)];
      return bodyOf(await read(path, `document ${documentId} of ${datasetId}`, signal), documentId);
    },
  };
}

async function page(
  requester: Requester,
  path: readonly string[],
  query: PageQuery,
  what: string,
  signal?: AbortSignal,
): Promise<Page<DocumentSummary>> {
  const asked = pageQuery(query);
  const answer = await requester.send({
    method: 'GET',
    path,
    query: asked,
    kind: 'read',
    auth: 'optional',
    what,
    signal,
  });
  return readAs(answer, pageOf('documents', documentRow, asked));
}

function writers(requester: Requester): Pick<Documents, 'add' | 'update' | 'delete' | 'bulkDelete'> {
  return {
    async add(datasetId, text, signal) {
      const id = cloudId('dataset', datasetId);
      const path = ['datasets', id, 'documents'];
      const what = `add a document to ${id}`;
      return readAs(
        await requester.send({ method: 'POST', path, text, kind: 'write', what, signal }),
        createdAnswer,
      );
    },
    async update(datasetId, documentId, text, signal) {
      const path = ['datasets', cloudId('dataset', datasetId), 'documents', cloudId('document', documentId)];
      const what = `update document ${documentId} of ${datasetId}`;
      await requester.send({ method: 'POST', path, text, kind: 'write', what, signal });
    },
    async delete(datasetId, documentId, when, signal) {
      const path = ['datasets', cloudId('dataset', datasetId), 'documents', cloudId('document', documentId)];
      const what = `delete document ${documentId} of ${datasetId}`;
      await requester.send({
        method: 'DELETE',
        path,
        query: { when: deleteTime(when) },
        kind: 'write',
        what,
        signal,
      });
    },
    async bulkDelete(datasetId, documentIds, when, signal) {
      const id = cloudId('dataset', datasetId);
      if (documentIds.length === 0) return;
      const ids = documentIds.map((documentId) => cloudId('document', documentId));
      await requester.send({
        method: 'POST',
        path: ['datasets', id, 'documents', 'bulk-delete'],
        json: { documentIds: ids, when: deleteTime(when) },
        kind: 'write',
        what: `delete ${ids.length} documents of ${id}`,
        signal,
      });
    },
  };
}

function bulk(requester: Requester): Pick<Documents, 'bulkFetch' | 'bulkUploadUrl' | 'bulkDownloadUrl'> {
  const post = (
    datasetId: string,
    verb: string,
    json: object | undefined,
    kind: 'read' | 'write',
    signal?: AbortSignal,
    maxAttempts?: number,
  ) => {
    const id = cloudId('dataset', datasetId);
    return requester.send({
      method: 'POST',
      path: ['datasets', id, 'documents', verb],
      json,
      kind,
      auth: kind === 'read' ? 'optional' : 'required',
      what: `${verb} of documents of ${id}`,
      signal,
      maxAttempts,
    });
  };
  return {
    async bulkFetch(datasetId, documentIds, signal) {
      if (documentIds.length === 0) return [];
      if (documentIds.length > MOST_FETCHED)
        throw new CourierError('NDI_E_USAGE', {
          detail: `${documentIds.length} documents in one fetch: at most ${MOST_FETCHED}.`,
        });
      const ids = documentIds.map((id) => cloudId('document', id));
      // An answer above 6 MB is a 5xx, too (§4.4): the caller asks for fewer then.
      return bodiesOf(await post(datasetId, 'bulk-fetch', { documentIds: ids }, 'read', signal, 2), ids);
    },
    // The body must be empty, not `{}` (§2.5 E9).
    async bulkUploadUrl(datasetId, signal) {
      return readAs(await post(datasetId, 'bulk-upload', undefined, 'write', signal), urlAnswer);
    },
    async bulkDownloadUrl(datasetId, documentIds, signal) {
      // An empty list would mean the whole dataset to the server (§2.5 E10).
      if (documentIds.length === 0)
        throw new CourierError('NDI_E_USAGE', { detail: 'No documents named to download.' });
      const ids = documentIds.map((id) => cloudId('document', id));
      return readAs(await post(datasetId, 'bulk-download', { documentIds: ids }, 'read', signal), urlAnswer);
    },
  };
}

/** E3 puts the cloud id among the members of the body; the body is what is left without it (§4.2). */
function bodyOf(answer: ApiAnswer, documentId: string): string {
  return scan(answer, () => {
    let body = answer.text.trim();
    for (const key of ['id', '_id']) {
      const members = objectMembers(body);
      const index = members.findIndex((member) => member.key === key);
      const member = members[index];
      if (
        member !== undefined &&
        body.slice(member.valueStart, member.valueEnd) === JSON.stringify(documentId)
      )
        body = withoutMember(body, members, index);
    }
    return body;
  });
}

/**
 * E8: each row's `data`, as text. A row without `data`, asked twice or not asked for is left out: the caller
 * sees by the ids what did not come.
 */
function bodiesOf(
  answer: ApiAnswer,
  asked: readonly string[],
): Array<{ readonly id: string; readonly ndiId: string; readonly text: string }> {
  return scan(answer, () => {
    const { text } = answer;
    const list = last(objectMembers(text), 'documents');
    if (list === undefined) throw badAnswer(answer, 'documents: no list');
    const wanted = new Set(asked.map((id) => id.toLowerCase()));
    const bodies: Array<{ id: string; ndiId: string; text: string }> = [];
    for (const element of arrayElements(text, list.valueStart)) {
      const members = objectMembers(text, element.start);
      const id = textOf(text, last(members, 'id') ?? last(members, '_id'));
      const data = last(members, 'data');
      if (data === undefined || text[data.valueStart] !== '{' || !wanted.delete(id.toLowerCase())) continue;
      const body = text.slice(data.valueStart, data.valueEnd);
      bodies.push({ id, ndiId: textOf(text, last(members, 'ndiId')) || ndiIdOf(body), text: body });
    }
    return bodies;
  });
}

function ndiIdOf(body: string): string {
  const base = last(objectMembers(body), 'base');
  if (base === undefined || body[base.valueStart] !== '{') return '';
  return textOf(body, last(objectMembers(body, base.valueStart), 'id'));
}

/** With equal keys the last one counts, as everywhere in JSON. */
const last = (members: readonly Member[], key: string): Member | undefined =>
  members.findLast((member) => member.key === key);

const textOf = (text: string, member: Member | undefined): string => {
  if (member === undefined || text[member.valueStart] !== '"') return '';
  return String(parseLenient(text.slice(member.valueStart, member.valueEnd)));
};

function scan<Result>(answer: ApiAnswer, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) throw badAnswer(answer, error.message);
    throw error;
  }
}
