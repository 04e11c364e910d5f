/** `ndi-courier files …` */
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import { createSelector } from '../../../ndi/dataset/selection.ts';
import type { FilesAction } from '../../../workflows/contracts/index.ts';
import { type DatasetFile, openDataset } from '../../dataset.ts';
import type { FilesOptions } from '../../files.ts';
import {
  filesOptions,
  followOptions,
  option,
  resolveOptions,
  selectionOf,
  selectionShape,
} from '../../options.ts';
import { formatBytes, plural, printable } from '../../view/format.ts';
import { table } from '../../view/table.ts';
import { defineCommand, type GivenOptions, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { announce, follow } from '../follow.ts';
import { DATASET, jsonShape, pick } from '../shared-options.ts';

const all = {
  all: option(z.boolean().default(false), { help: 'The files of all documents.' }),
};

const list = defineCommand({
  name: 'list',
  summary: 'The files of a dataset: which are here, which are in the cloud, which are missing.',
  args: [DATASET],
  options: z.object({ ...selectionShape, ...jsonShape }).strict(),
  run: async ({ out }, [dataset], options) => {
    const files = filesHere(dataset, options);
    if (options.json) {
      out.json({ files });
      return EXIT.done;
    }
    const size = (bytes: number | null): string => (bytes === null ? '' : formatBytes(bytes));
    const rows = files.map(({ where, sizeBytes, name, uid, documentId }) => [
      where,
      size(sizeBytes),
      printable(name),
      uid,
      documentId,
    ]);
    if (rows.length > 0) out.print(table(['WHERE', 'SIZE', 'NAME', 'UID', 'DOCUMENT'], rows));
    const here = files.filter(({ where }) => where === 'here');
    const bytes = here.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
    out.print(`${plural(files.length, 'file')}, ${here.length} here (${formatBytes(bytes)}).`);
    return EXIT.done;
  },
});

function filesHere(dir: string, options: GivenOptions): DatasetFile[] {
  const settings = resolveOptions(z.object(selectionShape).strict(), pick(options, z.object(selectionShape)));
  const dataset = openDataset(dir);
  try {
    const selects = createSelector(dataset.identity, selectionOf(settings));
    const files: DatasetFile[] = [];
    for (const document of dataset.documents()) if (selects(document)) files.push(...dataset.files(document));
    return files;
  } finally {
    dataset.close();
  }
}

/** A command that moves the binaries of the selected documents. */
const move = (action: FilesAction, summary: string, description: string, example: string, does: string) =>
  defineCommand({
    name: action,
    summary,
    description,
    args: [DATASET],
    options: z.object({ ...filesOptions.shape, ...all, ...followOptions.shape }).strict(),
    examples: [{ line: example, does }],
    run: async (invocation, [dataset], options, given) => {
      const chosen = pick(given, filesOptions) as Omit<FilesOptions, 'dir' | 'action'>;
      const selects = selectionOf(options) !== null;
      if (options.all === selects)
        throw new CourierError('NDI_E_USAGE', {
          detail: 'Say which files: --document, --class and --session, or --all.',
        });
      return withCourier(invocation, async (courier) => {
        const handle = await courier.files({ ...chosen, dir: dataset, action });
        await announce(courier, handle, invocation);
        return follow(handle, invocation, options);
      });
    },
  });

export const command = defineCommand({
  name: 'files',
  summary: 'See, fetch and let go of the binaries of a dataset that is here.',
  examples: [{ line: 'ndi-courier files list ferret-17', does: 'where each file is' }],
  subcommands: [
    list,
    move(
      'get',
      'Fetch binaries that are in the cloud only.',
      'The documents point to the fetched files afterwards, under the names that MATLAB and Python look for.',
      'ndi-courier files get ferret-17 --class element_epoch',
      'the binaries of all epochs',
    ),
    move(
      'drop',
      'Let go of binaries that the cloud has with the same bytes.',
      'Each file is compared with the cloud’s at that moment; one that differs, or that the cloud does not have, stays. ' +
        'The documents point to the cloud before a file is removed.',
      'ndi-courier files drop ferret-17 --all',
      'keeps the documents, frees the disk',
    ),
  ],
});
