/** `ndi-courier up` */
import { z } from 'zod';
import { option, readConfig } from '../../options.ts';
import { defineCommand, type Invocation, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { serviceJson, serviceText } from '../service-line.ts';
import { jsonShape } from '../shared-options.ts';

export const bwlimitShape = {
  bwlimit: option(z.string().optional(), {
    help: 'Sets the bandwidth limit first, as `ndi-courier bwlimit` does; it stays so.',
    value: 'LIMIT',
    defaultText: 'as it is',
  }),
};

/** Nothing is started when the limit is refused. */
export async function setBandwidth(env: Invocation['env'], bwlimit: string | undefined): Promise<void> {
  if (bwlimit === undefined) return;
  const [{ homeFromEnv }, { writeBandwidth }] = await Promise.all([
    import('../../../workers/home.ts'),
    import('../../../workers/bandwidth.ts'),
  ]);
  writeBandwidth(homeFromEnv(env), bwlimit);
}

export const workersShape = {
  workers: option(z.coerce.number().int().min(1).max(16).default(1), {
    help: 'Worker processes.',
    value: 'N',
  }),
  workerMemory: option(z.coerce.number().int().min(400).max(1_000_000).default(1_024), {
    help: 'A worker that takes more memory than this, in MiB, is replaced; its runs go on.',
    value: 'MIB',
  }),
  ...bwlimitShape,
  private: option(z.boolean().default(false), {
    help: 'Encrypt what Temporal keeps, and refuse runs of other users of this computer. It stays so.',
  }),
};

export const command = defineCommand({
  name: 'up',
  summary: 'Start the service in the background.',
  description:
    'A Temporal server on a file in the state folder (unless TEMPORAL_ADDRESS or a Temporal profile names one ' +
    'elsewhere) and workers, started once and kept running; a worker that dies is started again. Runs survive a ' +
    'restart of everything. `upload` and `download` do this by themselves.',
  options: z.object({ ...workersShape, ...jsonShape }).strict(),
  examples: [{ line: 'ndi-courier up --json', does: 'addresses and process ids, for a script' }],
  run: async (invocation, _args, { workers, workerMemory, private: isPrivate, bwlimit, json }) =>
    withCourier(invocation, async ({ service, schedules }) => {
      await setBandwidth(invocation.env, bwlimit);
      const state = await service.up({
        workers,
        workerMemoryBytes: workerMemory * 1024 * 1024,
        private: isPrivate,
        signal: invocation.signal,
      });
      const { schedules: wanted } = readConfig(await service.configFile());
      // Without the section, schedules are those that people set.
      if (wanted !== undefined)
        for (const line of await schedules.reconcile(wanted)) invocation.out.note(`Schedule of ${line}`);
      if (json) invocation.out.json(serviceJson(state));
      else invocation.out.print(serviceText(state));
      return EXIT.done;
    }),
});
