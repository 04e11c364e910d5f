/** `ndi-courier cloud datasets …` (NDI Cloud contract §2.4). */
import { z } from 'zod';
import type { CloudClient } from '../../../ndi/cloud/types.ts';
import { option } from '../../options.ts';
import { defineCommand } from '../command.ts';
import {
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

/** A request about one dataset that takes and answers nothing more. */
const about = (
  name: string,
  summary: string,
  ask: (cloud: CloudClient, datasetId: string, signal: AbortSignal) => Promise<unknown>,
) =>
  defineCommand({
    name,
    summary,
    args: [DATASET],
    options: callOptions,
    run: (invocation, [dataset], { profile }) =>
      call(invocation, profile, (cloud, signal) => ask(cloud, dataset, signal)),
  });

const listing = (name: 'published' | 'unpublished' | 'deleted', summary: string) =>
  defineCommand({
    name,
    summary,
    options: listOptions,
    run: (invocation, _args, options) =>
      list(invocation, options, (cloud, page, signal) => cloud.datasets[name](page, signal)),
  });

const ofOrganization = defineCommand({
  name: 'list',
  summary: 'Datasets of an organisation.',
  options: z.object({ ...organizationShape, ...pageShape, ...callShape }).strict(),
  run: (invocation, _args, { organization, ...options }) =>
    list(invocation, options, (cloud, page, signal) =>
      cloud.datasets.list(
        { ...page, ...(organization === undefined ? {} : { organizationId: organization }) },
        signal,
      ),
    ),
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

export const datasets = defineCommand({
  name: 'datasets',
  summary: 'Datasets: list, get, create, change, delete, publish.',
  subcommands: [
    ofOrganization,
    listing('published', 'Published datasets of everybody.'),
    listing('unpublished', 'Datasets in review.'),
    listing('deleted', 'Deleted datasets that can still be undone.'),
    about('get', 'The record of a dataset.', (cloud, id, signal) => cloud.datasets.get(id, signal)),
    create,
    update,
    remove,
    about('undelete', 'Bring a deleted dataset back.', (cloud, id, signal) =>
      cloud.datasets.undelete(id, signal),
    ),
    about('submit', 'Hand a dataset in for review.', (cloud, id, signal) =>
      cloud.datasets.submit(id, signal),
    ),
    about('publish', 'Publish it (administrators).', (cloud, id, signal) =>
      cloud.datasets.publish(id, signal),
    ),
    about('unpublish', 'Take it back (administrators).', (cloud, id, signal) =>
      cloud.datasets.unpublish(id, signal),
    ),
    about('branches', 'Branches of a dataset.', async (cloud, id, signal) => ({
      branches: await cloud.datasets.branches(id, signal),
    })),
  ],
});
