/** `ndi-courier dev` */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';
import { serviceJson, serviceText } from '../service-line.ts';
import { jsonShape } from '../shared-options.ts';
import { setBandwidth, workersShape } from './up.ts';

export const command = defineCommand({
  name: 'dev',
  summary: 'Run the service in this terminal.',
  description: 'The same as `up`, in the foreground with its log here; Ctrl-C stops it.',
  options: z.object({ ...workersShape, ...jsonShape }).strict(),
  run: async ({ env, out, signal }, _args, { workers, workerMemory, private: isPrivate, bwlimit, json }) => {
    await setBandwidth(env, bwlimit);
    const { dev } = await import('../../../workers/service.ts');
    await dev({
      env,
      log: out.note,
      signal,
      private: isPrivate,
      workers,
      workerMemoryBytes: workerMemory * 1024 * 1024,
      onReady: (state) => {
        if (json) out.json(serviceJson(state));
        else out.print(serviceText(state));
      },
    });
    return EXIT.done;
  },
});
