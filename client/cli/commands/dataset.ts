/** `ndi-courier dataset …` */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import { createSelector } from '../../../ndi/dataset/selection.ts';
import { parseCondition, type QueryCondition } from '../../../ndi/document/query.ts';
import { type Dataset, type DatasetDocument, openDataset } from '../../dataset.ts';
import { option, selectionOf, selectionShape } from '../../options.ts';
import { formatBytes, plural, printable } from '../../view/format.ts';
import { table } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { confirm } from '../prompt.ts';
import { accountShape, DATASET, jsonShape } from '../shared-options.ts';

const texts = () => z.union([z.array(z.string()), z.string().transform((text) => [text])]).default([]);

const queryShape = {
  ...selectionShape,
  dependsOn: option(texts(), {
    help: 'Only documents that depend on a document; `NAME=ID`, or `*=ID` under any name.',
    flags: '--depends-on <NAME=ID...>',
    defaultText: 'all',
  }),
  where: option(texts(), {
    help: 'Only documents whose field is so: `FIELD=VALUE`, `FIELD!=VALUE`, `FIELD~REGEXP`, `FIELD>NUMBER` (`>=`, `<`, `<=`), or `FIELD`, which is there.',
    flags: '--where <CONDITION...>',
    defaultText: 'all',
  }),
  query: option(z.string().optional(), {
    help: 'A search structure of `ndi.query` as JSON: a list of `{field, operation, param1, param2}`.',
    flags: '--query <JSON>',
  }),
};
type QueryOptions = z.output<z.ZodObject<typeof queryShape>>;

/** All conditions but those of the selection. */
function queryOf({ dependsOn, where, query }: QueryOptions): QueryCondition[] {
  const dependencies = dependsOn.map((text) => {
    const at = text.lastIndexOf('=');
    if (at < 1) throw new CourierError('NDI_E_USAGE', { detail: `--depends-on takes NAME=ID, not ${text}.` });
    return { operation: 'depends_on', param1: text.slice(0, at), param2: text.slice(at + 1) };
  });
  return [...dependencies, ...where.map(parseCondition), ...(query === undefined ? [] : parsed(query))];
}

function parsed(query: string): QueryCondition[] {
  try {
    return [JSON.parse(query)].flat() as QueryCondition[];
  } catch (cause) {
    throw new CourierError('NDI_E_USAGE', {
      detail: `--query takes JSON: ${(cause as Error).message}`,
      cause,
    });
  }
}

function* selected(dataset: Dataset, options: QueryOptions): Generator<DatasetDocument> {
  const selects = createSelector(dataset.identity, selectionOf(options));
  for (const document of dataset.documents(queryOf(options))) if (selects(document)) yield document;
}

function inDataset<T>(dir: string, use: (dataset: Dataset) => T): T {
  const dataset = openDataset(dir);
  try {
    return use(dataset);
  } finally {
    dataset.close();
  }
}

function summaryOf(dataset: Dataset) {
  const classes: Record<string, number> = {};
  const files = { here: 0, cloud: 0, elsewhere: 0, missing: 0, bytesHere: 0 };
  for (const document of dataset.documents()) {
    classes[document.className] = (classes[document.className] ?? 0) + 1;
    for (const { where, sizeBytes } of dataset.files(document)) {
      files[where] += 1;
      files.bytesHere += sizeBytes ?? 0;
    }
  }
  const { datasetId, reference, remotes, sessions } = dataset.identity;
  return {
    directory: dataset.dir,
    ndiDatasetId: datasetId,
    reference,
    datasetIds: remotes.map(({ cloudDatasetId }) => cloudDatasetId),
    sessions: sessions.map(({ sessionId, reference: name, linked }) => ({
      sessionId,
      reference: name,
      linked,
    })),
    documents: dataset.documentCount(),
    classes,
    files,
  };
}

const show = defineCommand({
  name: 'show',
  summary: 'What a dataset is: ids, sessions, link to the cloud, documents by class, files by place.',
  args: [DATASET],
  options: z.object(jsonShape).strict(),
  run: async ({ out }, [dir], { json }) => {
    const summary = inDataset(dir, summaryOf);
    if (json) {
      out.json(summary);
      return EXIT.done;
    }
    const { files, classes } = summary;
    out.print(`${printable(summary.reference)} (${summary.ndiDatasetId})`);
    const links = summary.datasetIds.join(', ');
    out.print(links === '' ? 'Not linked to a cloud dataset.' : `Linked to cloud dataset ${links}.`);
    if (summary.sessions.length > 0)
      out.print(`Sessions: ${summary.sessions.map(({ reference }) => printable(reference)).join(', ')}`);
    const rows = Object.entries(classes)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => [printable(name), String(count)]);
    out.print(table(['CLASS', 'DOCUMENTS'], rows));
    out.print(
      `${plural(summary.documents, 'document')}; files: ${files.here} here (${formatBytes(files.bytesHere)}), ` +
        `${files.cloud} in the cloud, ${files.elsewhere} elsewhere, ${files.missing} missing.`,
    );
    return EXIT.done;
  },
});

const documents = defineCommand({
  name: 'documents',
  summary: 'The documents of a dataset, all or those that a query finds.',
  description:
    'Conditions of different kinds must all hold, as with `ndi.query`. With --json each document is one line, body included, and the last line has their number.',
  args: [DATASET],
  options: z
    .object({
      ...queryShape,
      limit: option(z.coerce.number().int().min(1).optional(), {
        help: 'At most so many.',
        flags: '--limit <N>',
        defaultText: 'all',
      }),
      ids: option(z.boolean().default(false), { help: 'Only their NDI ids, one a line.' }),
      ...jsonShape,
    })
    .strict(),
  examples: [
    {
      line: "ndi-courier dataset documents ferret-17 --class element --where 'element.type=n-trode'",
      does: 'elements of one type',
    },
    {
      line: "ndi-courier dataset documents ferret-17 --depends-on 'subject_id=41269…_40b0…' --ids",
      does: 'what depends on a subject',
    },
  ],
  run: async ({ out, signal }, [dir], options) => {
    inDataset(dir, (dataset) => {
      const rows: string[][] = [];
      let count = 0;
      for (const { id, className, name, datestamp, body } of selected(dataset, options)) {
        signal.throwIfAborted();
        count += 1;
        if (options.json) out.json({ id, className, name, datestamp, body });
        else if (options.ids) out.print(id);
        else rows.push([id, printable(className), printable(name), datestamp]);
        if (count === options.limit) break;
      }
      if (options.json) out.json({ documents: count });
      if (options.json || options.ids) return;
      if (rows.length > 0) out.print(table(['ID', 'CLASS', 'NAME', 'DATE'], rows));
      out.print(`${plural(count, 'document')}.`);
    });
    return EXIT.done;
  },
});

const read = defineCommand({
  name: 'read',
  summary: 'Write the bytes of a document’s file to a new file, or to stdout.',
  args: [
    DATASET,
    { name: '<document>', help: 'NDI id of the document.' },
    { name: '<name>', help: 'Name of the file in the document.' },
  ],
  options: z
    .object({
      out: option(z.string().optional(), {
        help: 'The new file.',
        flags: '--out <FILE>',
        defaultText: 'stdout',
      }),
    })
    .strict(),
  run: async (_invocation, [dir, id, name], { out: path }) => {
    const dataset = openDataset(dir);
    try {
      const document = dataset.document(id);
      if (document === undefined)
        throw new CourierError('NDI_E_NOT_FOUND', { detail: `The dataset has no document ${id}.` });
      const bytes = dataset.read(document, name);
      if (path === undefined) await pipeline(bytes, process.stdout, { end: false });
      else await pipeline(bytes, createWriteStream(path, { flags: 'wx' }));
    } finally {
      dataset.close();
    }
    return EXIT.done;
  },
});

const link = defineCommand({
  name: 'link',
  summary: 'Link a dataset to a cloud dataset that exists.',
  description: 'Uploads go there from now on. The cloud dataset must be empty or hold this dataset.',
  args: [DATASET, { name: '<id>', help: 'The cloud’s id of the dataset.' }],
  options: z
    .object({
      replace: option(z.boolean().default(false), {
        help: 'Take the place of a link to another cloud dataset.',
      }),
      ...accountShape,
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dir, cloudDatasetId], { replace, profile, json }) =>
    withCourier(invocation, async (courier) => {
      const linked = await courier.linkDataset({ dir, cloudDatasetId, replace, profile });
      if (json) invocation.out.json(linked);
      else invocation.out.print(`Linked to “${printable(linked.name)}” (${linked.datasetId}).`);
      return EXIT.done;
    }),
});

const unlink = defineCommand({
  name: 'unlink',
  summary: 'Forget the link to the cloud; the cloud dataset stays as it is.',
  args: [DATASET],
  options: z
    .object({
      yes: option(z.boolean().default(false), { help: 'Do not ask.' }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dir], { yes, json }) => {
    if (!yes) await confirm(invocation, `Forget the link of ${dir} to the cloud?`);
    return withCourier(invocation, async (courier) => {
      const { datasetIds, directory } = await courier.unlinkDataset(dir);
      if (json) invocation.out.json({ directory, datasetIds });
      else invocation.out.print(`No longer linked to ${datasetIds.join(', ')}.`);
      return EXIT.done;
    });
  },
});

export const command = defineCommand({
  name: 'dataset',
  summary: 'Look into a dataset folder: what it is, its documents, its link to the cloud.',
  examples: [{ line: 'ndi-courier dataset show ferret-17', does: 'ids, classes, files' }],
  subcommands: [show, documents, read, link, unlink],
});
