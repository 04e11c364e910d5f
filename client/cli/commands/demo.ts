/**
 * `ndi-courier demo`: the promise, kept in front of one's eyes. Everything runs for real (server, workers, a
 * local NDI Cloud) in a folder of its own, and nothing is left behind.
 */
import { z } from 'zod';
import { option } from '../../options.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';

export const demoOptions = z
  .object({
    documents: option(z.coerce.number().int().min(200).max(1_000_000).default(1_500), {
      help: 'Documents of the dataset.',
      value: 'N',
    }),
    megabytes: option(z.coerce.number().int().min(20).max(50_000).default(240), {
      help: 'Size of its binaries.',
      value: 'MB',
    }),
    keep: option(z.boolean().default(false), {
      help: 'Leave everything running and lying there, to look at.',
    }),
    json: option(z.boolean().default(false), { help: 'One JSON object on the last line of stdout.' }),
  })
  .strict();

export const command = defineCommand({
  name: 'demo',
  summary: 'See it work: upload, kill, go on, download, compare.',
  description:
    'Starts a local NDI Cloud and the service in a temporary folder, makes a realistic dataset, uploads it, kills the ' +
    'worker with SIGKILL halfway, downloads it again and compares every document and byte. Touches neither the ' +
    'network nor your own state, and cleans up after itself.',
  options: demoOptions,
  examples: [{ line: 'ndi-courier demo --keep', does: 'and then look around in the Web UI' }],
  run: async (invocation, _args, options) => {
    const { runDemo } = await import('../demo/demo.ts');
    return (await runDemo(invocation, options)) ? EXIT.done : EXIT.failed;
  },
});
