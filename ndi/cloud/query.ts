/** The query over documents (NDI Cloud contract §2.6). */
import { CourierError } from '../../errors/index.ts';
import { isCloudId } from '../ids.ts';
import { readAs, text, withId } from './answers.ts';
import { pageQuery } from './ids.ts';
import { pageOf } from './pages.ts';
import type { Requester } from './request.ts';
import type { CloudClient, DocumentSummary } from './types.ts';

export const queryRow = withId({ ndiId: text, name: text, className: text, datasetId: text }).transform(
  (row): DocumentSummary & { readonly datasetId: string } => ({
    id: row.id,
    ndiId: row.ndiId,
    name: row.name,
    className: row.className,
    datasetId: row.datasetId,
  }),
);

export function createQuery(requester: Requester): CloudClient['query'] {
  return async (scope, searchstructure, query, signal) => {
    const asked = pageQuery(query);
    const isWord = scope === 'public' || scope === 'private' || scope === 'all';
    // The server drops unknown ids without a word, so a typing error would look like no result.
    if (!isWord && !scope.split(',').every((id) => isCloudId(id.trim())))
      throw new CourierError('NDI_E_USAGE', {
        detail: `${JSON.stringify(scope.slice(0, 80))} is not a scope: use public, private, all, or cloud ids of datasets.`,
      });
    const answer = await requester.send({
      method: 'POST',
      path: ['ndiquery'],
      query: asked,
      json: { scope, searchstructure },
      kind: 'read',
      auth: 'optional',
      what: `query documents in ${scope}`,
      signal,
    });
    return readAs(answer, pageOf('documents', queryRow, asked));
  };
}
