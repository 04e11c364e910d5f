/** `ndi-courier upload DIR` */
import { z } from 'zod';
import type { UploadOptions } from '../../courier.ts';
import { followOptions, previewShape, uploadOptions } from '../../options.ts';
import { defineCommand, withCourier } from '../command.ts';
import { announce, follow } from '../follow.ts';
import { showPreview } from '../preview.ts';
import { DATASET, pick } from '../shared-options.ts';

export const command = defineCommand({
  name: 'upload',
  summary: 'Bring a dataset folder into NDI Cloud.',
  description:
    'Sends what the cloud lacks: binaries first, then documents in dependency order, and checks everything against ' +
    'the cloud’s own listing. Starting an upload that is already going on shows it. The folder is not changed, but ' +
    'for its link to the cloud and the records in `.ndi/courier`.',
  args: [DATASET],
  options: z.object({ ...uploadOptions.shape, ...previewShape, ...followOptions.shape }).strict(),
  examples: [
    { line: 'ndi-courier upload ~/data/ferret-17', does: 'into the cloud dataset that it is linked to' },
    {
      line: 'ndi-courier upload ~/data/ferret-17 --new "Ferret 17, V1"',
      does: 'creates the cloud dataset first',
    },
    { line: 'ndi-courier upload ~/data/ferret-17 --no-wait', does: 'starts it and returns' },
    { line: 'ndi-courier upload ~/data/ferret-17 --json | tail -1', does: 'the result, for a script' },
  ],
  run: async (invocation, [dataset], options, given) =>
    withCourier(invocation, async (courier) => {
      const asked = {
        ...(pick(given, uploadOptions) as Omit<UploadOptions, 'dir'>),
        dir: dataset,
      };
      if (options.dryRun) return showPreview(await courier.previewUpload(asked), invocation, options);
      const handle = await courier.upload(asked);
      await announce(courier, handle, invocation);
      return follow(handle, invocation, options);
    }),
});
