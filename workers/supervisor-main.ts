/**
 * The detached supervisor process that `up` starts. Its one argument is a `SupervisorOptions` as JSON. Tells
 * the starter over IPC when all is up, or why not; goes on when the starter is gone; stops on SIGTERM.
 */
import { isCourierError } from '../errors/index.ts';
import { runSupervisor, type SupervisorOptions } from './supervisor.ts';
import type { ChildMessage } from './types.ts';

function tell(message: ChildMessage): void {
  if (process.connected) process.send?.(message, () => {});
}

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => stopping.abort(new Error(signal)));
}
// The terminal that started it may close.
process.on('SIGHUP', () => {});

try {
  const options = JSON.parse(process.argv[2] ?? '{}') as SupervisorOptions;
  await runSupervisor(options, {
    signal: stopping.signal,
    log: (line) => console.log(`${new Date().toISOString()} ${line}`),
    onReady() {
      const ready: ChildMessage = { type: 'ready' };
      process.send?.(ready, () => {
        if (process.connected) process.disconnect();
      });
    },
  });
  process.exit(0);
} catch (error) {
  console.error(error);
  const code = isCourierError(error) ? error.code : 'NDI_E_SERVICE';
  const detail = isCourierError(error) ? (error.detail ?? '') : String(error);
  tell({ type: 'failed', code, detail });
  setTimeout(() => process.exit(1), 200);
}
