/** `ndi-courier download ID [DIR]` */
import { z } from 'zod';
import type { DownloadOptions } from '../../courier.ts';
import { downloadOptions, followOptions, previewShape } from '../../options.ts';
import { defineCommand, withCourier } from '../command.ts';
import { announce, follow } from '../follow.ts';
import { showPreview } from '../preview.ts';
import { pick } from '../shared-options.ts';

export const command = defineCommand({
  name: 'download',
  summary: 'Make a dataset folder out of a cloud dataset.',
  description:
    'The folder appears whole or not at all: it is built aside, checked, and renamed into place. A folder that holds ' +
    'exactly this dataset already is left as it is; one that holds something else is refused.',
  args: [
    { name: '<id>', help: 'The cloud’s id of the dataset, 24 hexadecimal digits.' },
    { name: '[folder]', help: 'The dataset folder to be made. Default: a folder named by the id, here.' },
  ],
  options: z.object({ ...downloadOptions.shape, ...previewShape, ...followOptions.shape }).strict(),
  examples: [
    { line: 'ndi-courier download 65a1b2c3d4e5f60718293a4b ferret-17', does: 'documents and binaries' },
    {
      line: 'ndi-courier download 65a1b2c3d4e5f60718293a4b --mode hybrid',
      does: 'documents only; binaries are fetched when they are opened',
    },
  ],
  run: async (invocation, [id, folder], options, given) =>
    withCourier(invocation, async (courier) => {
      const asked = {
        ...(pick(given, downloadOptions) as Omit<DownloadOptions, 'id' | 'dir'>),
        id,
        ...(folder === undefined ? {} : { dir: folder }),
      };
      if (options.dryRun) return showPreview(await courier.previewDownload(asked), invocation, options);
      const handle = await courier.download(asked);
      await announce(courier, handle, invocation);
      return follow(handle, invocation, options);
    }),
});
