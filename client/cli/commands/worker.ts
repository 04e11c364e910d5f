/** `ndi-courier worker` */
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import type { Home } from '../../../workers/home.ts';
import type { WorkerRole } from '../../../workers/types.ts';
import { option } from '../../options.ts';
import { defineCommand, type Invocation } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonShape } from '../shared-options.ts';
import { bwlimitShape, setBandwidth } from './up.ts';

/** Time that a stopping worker gives to running steps; they write down how far they are. */
const GRACE_MS = 10_000;

const ROLES = ['control', 'site'] as const satisfies readonly WorkerRole[];

export const command = defineCommand({
  name: 'worker',
  summary: 'Run workers for a Temporal server elsewhere.',
  description:
    'Serves the server that TEMPORAL_ADDRESS or a Temporal profile names, in this terminal, until it is stopped. ' +
    '`control` runs workflows, `site` everything that touches this computer’s disk; a laptop that may leave serves ' +
    '`site` only. Restarting it is the caller’s business; `up` does that by itself.',
  options: z
    .object({
      roles: option(
        z
          .string()
          .default(ROLES.join(','))
          .transform((text) => text.split(',').map((role) => role.trim()))
          .pipe(z.array(z.enum(ROLES)).min(1)),
        { help: 'What to serve, separated by commas.', value: 'ROLES', defaultText: 'control,site' },
      ),
      ...bwlimitShape,
      ...jsonShape,
    })
    .strict(),
  examples: [
    {
      line: 'TEMPORAL_ADDRESS=temporal.lab:7233 ndi-courier worker --roles site',
      does: 'on an acquisition rig',
    },
  ],
  run: async (invocation, _args, { roles, bwlimit, json }) => {
    const { env, out, signal } = invocation;
    await setBandwidth(env, bwlimit);
    const { ensureHome, homeFromEnv, siteIdOf } = await import('../../../workers/home.ts');
    const { runWorker } = await import('../../../workers/worker.ts');
    const home = ensureHome(homeFromEnv(env));
    const siteId = siteIdOf(home);
    const { connectionOptions, namespace, payloadKey } = await serverOf(invocation, home);
    await runWorker({
      connectionOptions,
      namespace,
      roles,
      siteId,
      home,
      payloadKey,
      env,
      log: out.note,
      signal,
      graceMs: GRACE_MS,
      onReady: () => {
        if (json) out.json({ pid: process.pid, site: siteId, roles, namespace });
        else out.print(`Serving ${roles.join(' and ')} as site ${siteId}. Ctrl-C stops it.`);
      },
    });
    return EXIT.done;
  },
});

async function serverOf({ env }: Invocation, home: Home) {
  const { resolveTemporal } = await import('../../../workers/connection.ts');
  const choice = resolveTemporal(env);
  if (choice.kind === 'external') return { ...choice, payloadKey: undefined };
  const { status } = await import('../../../workers/service.ts');
  const { temporalAddress, namespace } = status({ env });
  if (temporalAddress === null || namespace === null) {
    throw new CourierError('NDI_E_NOT_RUNNING', {
      detail: 'No Temporal server is configured (TEMPORAL_ADDRESS), and none of ours runs.',
    });
  }
  const { readPayloadKey } = await import('../../../workers/payload-key.ts');
  return { connectionOptions: { address: temporalAddress }, namespace, payloadKey: readPayloadKey(home) };
}
