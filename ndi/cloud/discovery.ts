/**
 * Routes for looking around that no transfer needs: branches, bookmarks and the two public searches (NDI
 * Cloud contract §2.4 D13–D15, D18, §2.5 E11). No client uses them and their answers were never seen, so any
 * of the plausible shapes is taken.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { readAs, readLoosely } from './answers.ts';
import { datasetAnswer } from './datasets.ts';
import { cloudId, pageQuery, segment } from './ids.ts';
import { pageOf } from './pages.ts';
import { queryRow } from './query.ts';
import type { ApiAnswer, ApiCall, Requester } from './request.ts';
import type { DatasetRecord, DocumentSummary, Page, PageQuery } from './types.ts';

export interface DiscoveryRoutes {
  /** The user's own, or anybody's for an administrator. */
  bookmarks(userId: string, query: PageQuery, signal?: AbortSignal): Promise<Page<DatasetRecord>>;
  setBookmark(datasetId: string, on: boolean, signal?: AbortSignal): Promise<void>;
  /**
   * Body and meaning are unknown (§10 no. 33): not for transfers. Undefined where the cloud names no new
   * dataset.
   */
  branch(datasetId: string, body?: object, signal?: AbortSignal): Promise<DatasetRecord | undefined>;
  /** Published datasets only; the server ignores who asks. */
  searchDatasets(body: object, query: PageQuery, signal?: AbortSignal): Promise<Page<DatasetRecord>>;
  /** Documents of published datasets. */
  searchDocuments(
    body: object,
    query: PageQuery,
    signal?: AbortSignal,
  ): Promise<Page<DocumentSummary & { readonly datasetId: string }>>;
}

/** A bare list stands for its page. */
const pageIn = <Row extends z.ZodType>(key: string, row: Row, asked: { page: number; pageSize: number }) =>
  z.preprocess((value) => (Array.isArray(value) ? { [key]: value } : value), pageOf(key, row, asked));

export function createDiscovery(requester: Requester): DiscoveryRoutes {
  const send = (call: Omit<ApiCall, 'kind'>): Promise<ApiAnswer> => requester.send({ kind: 'read', ...call });
  const search = (kind: 'datasets' | 'documents', body: object, asked: PageQuery, signal?: AbortSignal) => {
    if (Array.isArray(body)) throw new CourierError('NDI_E_USAGE', { detail: 'A search is an object.' });
    return send({
      method: 'POST',
      path: [kind, 'search'],
      query: { ...asked },
      json: body,
      auth: 'optional',
      what: `search published ${kind}`,
      signal,
    });
  };
  return {
    async bookmarks(userId, query, signal) {
      const asked = pageQuery(query);
      const path = ['datasets', 'user', segment('user id', userId), 'bookmarks'];
      const answer = await send({ method: 'GET', path, query: asked, what: 'bookmarks', signal });
      return readAs(answer, pageIn('datasets', datasetAnswer, asked));
    },
    async setBookmark(datasetId, on, signal) {
      const path = ['datasets', cloudId('dataset', datasetId), 'bookmark'];
      await send({ method: on ? 'POST' : 'DELETE', path, what: `bookmark of dataset ${datasetId}`, signal });
    },
    async branch(datasetId, body, signal) {
      const path = ['datasets', cloudId('dataset', datasetId), 'branch'];
      const what = `branch dataset ${datasetId}`;
      const json = body === undefined ? {} : { json: body };
      const answer = await requester.send({ method: 'POST', path, what, kind: 'write', signal, ...json });
      return datasetAnswer.safeParse(readLoosely(answer)).data;
    },
    async searchDatasets(body, query, signal) {
      const asked = pageQuery(query);
      return readAs(await search('datasets', body, asked, signal), pageIn('datasets', datasetAnswer, asked));
    },
    async searchDocuments(body, query, signal) {
      const asked = pageQuery(query);
      return readAs(await search('documents', body, asked, signal), pageIn('documents', queryRow, asked));
    },
  };
}
