/**
 * The worker process. Its one argument is a `WorkerArguments` as JSON. Stops on SIGTERM, SIGINT and when the
 * supervisor that started it is gone; ends for good soon after its grace, whatever an activity does.
 */
import { CourierError, isCourierError } from '../errors/index.ts';
import { resolveTemporal } from './connection.ts';
import { ensureHome, homeAt, siteIdOf } from './home.ts';
import { readPayloadKey } from './payload-key.ts';
import { createLogger, installRuntime } from './runtime.ts';
import type { ChildMessage, WorkerArguments } from './types.ts';
import { runWorker } from './worker.ts';

/** Beyond the grace: room for the last report to the server. */
const LAST_WORDS_MS = 5_000;

function tell(message: ChildMessage): void {
  // A supervisor that is gone needs no answer.
  if (process.connected) process.send?.(message, () => {});
}

function temporalOf(args: WorkerArguments) {
  if (args.embedded !== null) {
    const { address, namespace } = args.embedded;
    return { connectionOptions: { address }, namespace };
  }
  const external = resolveTemporal();
  if (external.kind === 'external') return external;
  throw new CourierError('NDI_E_NO_TEMPORAL', { detail: 'TEMPORAL_ADDRESS is not set.' });
}

async function main(): Promise<void> {
  const args = JSON.parse(process.argv[2] ?? '{}') as WorkerArguments;
  const stopping = new AbortController();
  const stop = (why: string) => () => {
    if (stopping.signal.aborted) return;
    console.error(`Worker ${process.pid} stops: ${why}.`);
    stopping.abort(new CourierError('NDI_E_CANCELLED', { detail: why }));
    setTimeout(() => process.exit(1), args.graceMs + LAST_WORDS_MS).unref();
  };
  process.on('SIGTERM', stop('asked to'));
  process.on('SIGINT', stop('interrupted'));
  process.on('disconnect', stop('its supervisor is gone'));
  // Gone already while this module was being loaded; the event has passed unseen.
  if (process.connected === false) stop('its supervisor is gone')();

  installRuntime(createLogger('info'));
  const home = ensureHome(homeAt(args.homeDir));
  const { connectionOptions, namespace } = temporalOf(args);
  await runWorker({
    connectionOptions,
    namespace,
    roles: args.roles,
    siteId: siteIdOf(home),
    home,
    payloadKey: args.embedded === null ? undefined : readPayloadKey(home),
    env: process.env,
    log: (line) => console.error(line),
    signal: stopping.signal,
    graceMs: args.graceMs,
    onReady: () => tell({ type: 'ready' }),
  });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error);
  const code = isCourierError(error) ? error.code : 'NDI_E_INTERNAL';
  const detail = error instanceof Error ? error.message : String(error);
  tell({ type: 'failed', code, detail });
  process.exitCode = 1;
  // The message is on its way; whatever still holds the process is not waited for.
  setTimeout(() => process.exit(1), 200);
}
