/** `ndi-courier cloud datasets …` (NDI Cloud contract §2.4). */
import { z } from 'zod';
import type { DatasetRecord, FullCloudClient, PageQuery } from '../../../../ndi/cloud/index.ts';
import { option } from '../../../options.ts';
import { defineCommand } from '../../command.ts';
import {
  about,
  call,
  callOptions,
  callShape,
  DATASET,
  list,
  listOptions,
  objectOf,
  pageShape,
  whenShape,
} from './call.ts';

const organizationShape = {
  organization: option(z.string().optional(), {
    help: 'Cloud id of the organisation.',
    value: 'ID',
    env: { name: 'NDI_CLOUD_ORGANIZATION_ID' },
    defaultText: 'the only one of the account',
  }),
};

/** The fields of a dataset that a line shows; `get`, and `--json`, have the record as the cloud gave it. */
const brief = ({ raw: _raw, files: _files, ...row }: DatasetRecord): object => row;
const whole = ({ id, raw }: DatasetRecord): object => {
  const { _id, ...record } = raw;
  return { ...record, id };
};
const show = { brief, whole };

const listing = (name: 'published' | 'unpublished' | 'deleted', summary: string) =>
  defineCommand({
    name,
    summary,
    options: listOptions,
    run: (invocation, _args, options) =>
      list(invocation, options, (cloud, page, signal) => cloud.datasets[name](page, signal), show),
  });

const ofOrganization = defineCommand({
  name: 'list',
  summary: 'Datasets of an organisation.',
  options: z.object({ ...organizationShape, ...pageShape, ...callShape }).strict(),
  run: (invocation, _args, { organization, ...options }) =>
    list(
      invocation,
      options,
      (cloud, page, signal) => cloud.datasets.list({ ...page, organizationId: organization }, signal),
      show,
    ),
});

const bookmarks = defineCommand({
  name: 'bookmarks',
  summary: 'Datasets that you have bookmarked.',
  options: listOptions,
  run: (invocation, _args, options) => {
    let userId: string | undefined;
    const page = async (cloud: FullCloudClient, query: PageQuery, signal: AbortSignal) => {
      userId ??= (await cloud.me(signal)).id;
      return cloud.discovery.bookmarks(userId, query, signal);
    };
    return list(invocation, options, page, show);
  },
});

const search = defineCommand({
  name: 'search',
  summary: 'Search published datasets by a piece of their text.',
  args: [{ name: '<text>', help: 'What to look for.' }],
  options: listOptions,
  run: (invocation, [text], options) =>
    list(
      invocation,
      options,
      (cloud, page, signal) => cloud.discovery.searchDatasets({ query: text }, page, signal),
      show,
    ),
});

const branch = defineCommand({
  name: 'branch',
  summary: 'Make a branch of a dataset. What the cloud does then is not documented.',
  args: [DATASET],
  options: z
    .object({
      name: option(z.string().optional(), {
        help: 'Name of the branch.',
        value: 'NAME',
        defaultText: 'the cloud’s',
      }),
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset], { name, profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const body = name === undefined ? undefined : { branchName: name };
      const made = await cloud.discovery.branch(dataset, body, signal);
      return made === undefined ? undefined : whole(made);
    }),
});

const create = defineCommand({
  name: 'create',
  summary: 'Create an empty dataset.',
  args: [{ name: '<metadata>', help: 'JSON file with at least `name`; - reads standard input.' }],
  options: z.object({ ...organizationShape, ...callShape }).strict(),
  run: async (invocation, [metadata], { organization, profile }) => {
    const body = await objectOf(invocation, metadata);
    return call(invocation, profile, async (cloud, signal) =>
      cloud.datasets.create(organization ?? (await cloud.organizationId(signal)), body, signal),
    );
  },
});

const update = defineCommand({
  name: 'update',
  summary: 'Change metadata of a dataset.',
  args: [
    DATASET,
    { name: '<changes>', help: 'JSON file with the fields to change; - reads standard input.' },
  ],
  options: callOptions,
  run: async (invocation, [dataset, changes], { profile }) => {
    const body = await objectOf(invocation, changes);
    return call(invocation, profile, (cloud, signal) => cloud.datasets.update(dataset, body, signal));
  },
});

const remove = defineCommand({
  name: 'delete',
  summary: 'Delete a dataset, by default so that it can be undone for a week.',
  args: [DATASET],
  options: z.object({ ...whenShape, ...callShape }).strict(),
  run: (invocation, [dataset], { when, profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.datasets.delete(dataset, when, signal)),
});

const one = (name: string, summary: string, ask: Parameters<typeof about>[3]) =>
  about(name, summary, DATASET, ask);

export const datasets = defineCommand({
  name: 'datasets',
  summary: 'Datasets: list, get, create, change, delete, publish, branch, bookmark, search.',
  subcommands: [
    ofOrganization,
    listing('published', 'Published datasets of everybody.'),
    listing('unpublished', 'Datasets in review.'),
    listing('deleted', 'Deleted datasets that can still be undone.'),
    one('get', 'The record of a dataset.', async (cloud, id, signal) =>
      whole(await cloud.datasets.get(id, signal)),
    ),
    create,
    update,
    remove,
    one('undelete', 'Bring a deleted dataset back.', (cloud, id, signal) =>
      cloud.datasets.undelete(id, signal),
    ),
    one('submit', 'Hand a dataset in for review.', (cloud, id, signal) => cloud.datasets.submit(id, signal)),
    one('publish', 'Publish it (administrators).', (cloud, id, signal) => cloud.datasets.publish(id, signal)),
    one('unpublish', 'Take it back (administrators).', (cloud, id, signal) =>
      cloud.datasets.unpublish(id, signal),
    ),
    branch,
    one('branches', 'Branches of a dataset.', async (cloud, id, signal) => ({
      branches: (await cloud.datasets.branches(id, signal)).map(whole),
    })),
    one('bookmark', 'Bookmark a dataset.', (cloud, id, signal) =>
      cloud.discovery.setBookmark(id, true, signal),
    ),
    one('unbookmark', 'Remove a bookmark.', (cloud, id, signal) =>
      cloud.discovery.setBookmark(id, false, signal),
    ),
    bookmarks,
    search,
  ],
});
