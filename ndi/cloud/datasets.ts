/** Datasets (NDI Cloud contract §2.4, D1–D18), one function per endpoint. */
import { z } from 'zod';
import {
  createdAnswer,
  optionalFlag,
  optionalNumber,
  optionalText,
  readAs,
  readLoosely,
  requiredListOf,
  text,
  withId,
} from './answers.ts';
import { fileRows } from './file-rows.ts';
import { cloudId, deleteTime, pageQuery } from './ids.ts';
import { pageOf } from './pages.ts';
import type { ApiCall, Requester } from './request.ts';
import type { CloudClient, DatasetRecord, Page, PageQuery } from './types.ts';

type Call = Omit<ApiCall, 'method' | 'path'>;

const datasetShape = {
  name: text,
  organizationId: optionalText,
  createdAt: optionalText,
  isPublished: optionalFlag,
  isSubmitted: optionalFlag,
  isDeleted: optionalFlag,
  documentCount: optionalNumber,
  totalSize: optionalNumber,
};

const datasetRow = withId(datasetShape);

/** `raw` is the record as it came, so the fields are read from it without changing it. */
export const datasetAnswer = z.record(z.string(), z.unknown()).transform((raw, context): DatasetRecord => {
  const { data: row, error } = datasetRow.safeParse(raw);
  if (row === undefined) {
    context.addIssue({ code: 'custom', message: 'no id', path: error.issues[0]?.path ?? [] });
    return z.NEVER;
  }
  return {
    id: row.id,
    name: row.name,
    organizationId: row.organizationId,
    createdAt: row.createdAt,
    isPublished: row.isPublished === true,
    isSubmitted: row.isSubmitted === true,
    isDeleted: row.isDeleted === true,
    documentCount: row.documentCount,
    totalSizeBytes: row.totalSize,
    files: Object.hasOwn(raw, 'files') ? fileRows.parse(raw.files) : undefined,
    raw,
  };
});

/** D14: `{branches}`, `{datasets}` or a bare list; rows are those of the dataset lists. */
const branchesAnswer = z.union([
  z.array(datasetAnswer),
  z.looseObject({ branches: requiredListOf(datasetAnswer) }).transform((answer) => answer.branches),
  z.looseObject({ datasets: requiredListOf(datasetAnswer) }).transform((answer) => answer.datasets),
]);

/** `organizationId` gives the organisation in force, for `list` without one. */
export function createDatasets(
  requester: Requester,
  organizationId: (signal?: AbortSignal) => Promise<string>,
): CloudClient['datasets'] {
  async function page(path: readonly string[], query: PageQuery, call: Call): Promise<Page<DatasetRecord>> {
    const asked = pageQuery(query);
    const answer = await requester.send({ method: 'GET', path, query: asked, ...call });
    return readAs(answer, pageOf('datasets', datasetAnswer, asked));
  }

  /** POST to a dataset's own route; the answers are "empty-ish" and nothing is read from them. */
  async function post(
    datasetId: string,
    verb: string,
    kind: 'write' | 'lifecycle',
    signal?: AbortSignal,
  ): Promise<void> {
    const id = cloudId('dataset', datasetId);
    await requester.send({
      method: 'POST',
      path: ['datasets', id, verb],
      kind,
      what: `${verb} dataset ${id}`,
      signal,
    });
  }

  return {
    async list({ organizationId: asked, ...query }, signal) {
      const id = cloudId('organisation', asked ?? (await organizationId(signal)));
      return page(['organizations', id, 'datasets'], query, {
        kind: 'read',
        what: `list datasets of organisation ${id}`,
        signal,
      });
    },
    published: (query, signal) =>
      page(['datasets', 'published'], query, {
        kind: 'read',
        auth: 'optional',
        what: 'list published datasets',
        signal,
      }),
    unpublished: (query, signal) =>
      page(['datasets', 'unpublished'], query, { kind: 'read', what: 'list datasets in review', signal }),
    deleted: (query, signal) =>
      page(['datasets', 'deleted'], query, { kind: 'read', what: 'list deleted datasets', signal }),
    async get(datasetId, signal) {
      const id = cloudId('dataset', datasetId);
      const what = `dataset ${id}`;
      const answer = await requester.send({
        method: 'GET',
        path: ['datasets', id],
        kind: 'read',
        auth: 'optional',
        what,
        signal,
      });
      return readAs(answer, datasetAnswer);
    },
    async create(organization, metadata, signal) {
      const id = cloudId('organisation', organization);
      const answer = await requester.send({
        method: 'POST',
        path: ['organizations', id, 'datasets'],
        json: metadata,
        kind: 'write',
        what: `create a dataset in organisation ${id}`,
        signal,
      });
      return readAs(answer, createdAnswer);
    },
    async update(datasetId, changes, signal) {
      const id = cloudId('dataset', datasetId);
      // Clearing `isSubmitted` and the like is allowed on published datasets too, but content is not (§2.11).
      await requester.send({
        method: 'POST',
        path: ['datasets', id],
        json: changes,
        kind: 'write',
        what: `update dataset ${id}`,
        signal,
      });
    },
    async delete(datasetId, when, signal) {
      const id = cloudId('dataset', datasetId);
      await requester.send({
        method: 'DELETE',
        path: ['datasets', id],
        query: { when: deleteTime(when) },
        kind: 'write',
        what: `delete dataset ${id}`,
        signal,
      });
    },
    undelete: (id, signal) => post(id, 'undelete', 'lifecycle', signal),
    submit: (id, signal) => post(id, 'submit', 'lifecycle', signal),
    publish: (id, signal) => post(id, 'publish', 'lifecycle', signal),
    unpublish: (id, signal) => post(id, 'unpublish', 'lifecycle', signal),
    async branches(datasetId, signal) {
      const id = cloudId('dataset', datasetId);
      const path = ['datasets', id, 'branches'];
      const what = `branches of dataset ${id}`;
      const answer = await requester.send({
        method: 'GET',
        path,
        kind: 'read',
        auth: 'optional',
        what,
        signal,
      });
      return readLoosely(answer) === undefined ? [] : readAs(answer, branchesAnswer);
    },
  };
}
