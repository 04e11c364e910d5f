/**
 * `ndi-courier cloud documents …` (NDI Cloud contract §2.5, §2.6). Bodies pass as text: numbers stay as they
 * are.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { withoutQueries } from '../../../../errors/redact.ts';
import { option } from '../../../options.ts';
import { defineCommand, withCourier } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { fetchWhenReady, fileToSend, sendFrom } from './bytes.ts';
import {
  call,
  callOptions,
  callShape,
  DATASET,
  DOCUMENT,
  list,
  listOptions,
  objectOf,
  pageShape,
  textOf,
  whenShape,
} from './call.ts';

const FILE = { name: '<file>', help: 'JSON file; - reads standard input.' } as const;

const listing = defineCommand({
  name: 'list',
  summary: 'Ids, names and classes of the documents of a dataset.',
  args: [DATASET],
  options: listOptions,
  run: (invocation, [dataset], options) =>
    list(invocation, options, (cloud, page, signal) => cloud.documents.list(dataset, page, signal)),
});

const deleted = defineCommand({
  name: 'deleted',
  summary: 'Deleted documents that can still be undone.',
  args: [DATASET],
  options: listOptions,
  run: (invocation, [dataset], options) =>
    list(invocation, options, (cloud, page, signal) => cloud.documents.deleted(dataset, page, signal)),
});

const get = defineCommand({
  name: 'get',
  summary: 'The body of a document.',
  args: [DATASET, DOCUMENT],
  options: callOptions,
  run: (invocation, [dataset, document], { profile }) =>
    withCourier(invocation, async (courier) => {
      const cloud = await courier.cloud({ profile });
      try {
        // As text: NaN and long numbers are no JSON to a parser.
        invocation.out.print(
          withoutSignatures(await cloud.documents.get(dataset, document, invocation.signal)),
        );
        return EXIT.done;
      } finally {
        await cloud.close();
      }
    }),
});

/** Bodies carry presigned addresses of their binaries (§4.2); whoever sees one may fetch the bytes. */
const withoutSignatures = (text: string): string => withoutQueries(text, '');

const add = defineCommand({
  name: 'add',
  summary: 'Add a document. The cloud does not mind doing it twice.',
  args: [DATASET, FILE],
  options: callOptions,
  run: async (invocation, [dataset, file], { profile }) => {
    const text = await textOf(invocation, file);
    return call(invocation, profile, (cloud, signal) => cloud.documents.add(dataset, text, signal));
  },
});

const update = defineCommand({
  name: 'update',
  summary: 'Replace the body of a document.',
  args: [DATASET, DOCUMENT, FILE],
  options: callOptions,
  run: async (invocation, [dataset, document, file], { profile }) => {
    const text = await textOf(invocation, file);
    return call(invocation, profile, (cloud, signal) =>
      cloud.documents.update(dataset, document, text, signal),
    );
  },
});

const remove = defineCommand({
  name: 'delete',
  summary: 'Delete documents.',
  args: [DATASET, { name: '<documents...>', help: 'Cloud ids.' }],
  options: z.object({ ...whenShape, ...callShape }).strict(),
  run: (invocation, [dataset, ids], { when, profile }) =>
    call(invocation, profile, (cloud, signal) =>
      ids.length === 1
        ? cloud.documents.delete(dataset, ids[0]!, when, signal)
        : cloud.documents.bulkDelete(dataset, ids, when, signal),
    ),
});

const count = defineCommand({
  name: 'count',
  summary: 'How many documents a dataset has.',
  args: [DATASET],
  options: callOptions,
  run: (invocation, [dataset], { profile }) =>
    call(invocation, profile, async (cloud, signal) => ({
      count: await cloud.documents.count(dataset, signal),
    })),
});

const classCounts = defineCommand({
  name: 'class-counts',
  summary: 'How many documents of each class a dataset has.',
  args: [DATASET],
  options: callOptions,
  run: (invocation, [dataset], { profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.documents.classCounts(dataset, signal)),
});

const fetching = defineCommand({
  name: 'fetch',
  summary: 'Bodies of up to 500 documents, one per line.',
  args: [DATASET, { name: '<documents...>', help: 'Cloud ids; unknown ones are left out.' }],
  options: callOptions,
  run: (invocation, [dataset, ids], { profile }) =>
    withCourier(invocation, async (courier) => {
      const cloud = await courier.cloud({ profile });
      try {
        for (const { text } of await cloud.documents.bulkFetch(dataset, ids, invocation.signal)) {
          invocation.out.print(withoutSignatures(text).replace(/\s*\n\s*/g, ' '));
        }
        return EXIT.done;
      } finally {
        await cloud.close();
      }
    }),
});

const query = defineCommand({
  name: 'query',
  summary: 'Search documents.',
  description: 'The file holds a list of {field, operation, param1, param2}; all of them must hold.',
  args: [FILE],
  options: z
    .object({
      scope: option(z.string().default('private'), {
        help: 'public, private, all, or dataset ids separated by commas.',
        value: 'SCOPE',
      }),
      ...pageShape,
      ...callShape,
    })
    .strict(),
  examples: [
    {
      line: `echo '[{"field":"","operation":"isa","param1":"subject","param2":""}]' | ndi-courier cloud documents query -`,
      does: 'all subjects you may see',
    },
  ],
  run: async (invocation, [file], { scope, ...options }) => {
    const structure = await objectOf(invocation, file);
    const searchstructure = (Array.isArray(structure) ? structure : [structure]) as object[];
    return list(invocation, options, (cloud, page, signal) =>
      cloud.query(scope, searchstructure, page, signal),
    );
  },
});

const search = defineCommand({
  name: 'search',
  summary: 'Search documents of published datasets by a piece of their text.',
  args: [{ name: '<text>', help: 'What to look for.' }],
  options: listOptions,
  run: (invocation, [text], options) =>
    list(invocation, options, (cloud, page, signal) =>
      cloud.discovery.searchDocuments({ query: text }, page, signal),
    ),
});

const addZip = defineCommand({
  name: 'add-zip',
  summary: 'Add many documents: a ZIP archive with a JSON file that holds a list of them.',
  description:
    'The cloud imports it some time later and tells nobody when, or whether: look with count. Doing it twice adds everything twice.',
  args: [DATASET, { name: '<zip>', help: 'The archive on this computer.' }],
  options: callOptions,
  run: (invocation, [dataset, zip], { profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const source = await fileToSend(invocation, zip);
      await sendFrom(invocation, source, await cloud.documents.bulkUploadUrl(dataset, signal), signal);
      return { sizeBytes: source.sizeBytes };
    }),
});

const getZip = defineCommand({
  name: 'get-zip',
  summary: 'Fetch the bodies of many documents as a ZIP archive, which the cloud makes.',
  args: [DATASET, { name: '<documents...>', help: 'Cloud ids, 2,000 at most.' }],
  options: z
    .object({
      output: option(z.string().default('documents.zip'), {
        flags: '-o, --output <FILE>',
        help: 'Where to put it.',
      }),
      wait: option(z.coerce.number().min(0).default(60), {
        help: 'Seconds to wait until the archive is there.',
        value: 'SECONDS',
      }),
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset, ids], { output, wait, profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const target = resolve(invocation.cwd, output);
      const url = await cloud.documents.bulkDownloadUrl(dataset, ids, signal);
      return { file: target, sizeBytes: await fetchWhenReady(invocation, url, target, wait * 1_000, signal) };
    }),
});

export const documents = defineCommand({
  name: 'documents',
  summary: 'Documents: list, get, add, change, delete, count, search, in ZIP archives.',
  subcommands: [
    listing,
    deleted,
    get,
    add,
    update,
    remove,
    count,
    classCounts,
    fetching,
    addZip,
    getZip,
    query,
    search,
  ],
});
