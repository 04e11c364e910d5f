/**
 * The sandbox as a command: `node sandbox/main.ts --port P --state DIR --json`. The CLI's `sandbox` command
 * calls `runSandbox`.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Sandbox, startSandbox } from './server.ts';

export interface RunSandboxOptions {
  readonly port?: number;
  readonly stateDir: string;
  /** One line of JSON when ready, for scripts; else a few lines for people. */
  readonly json: boolean;
  readonly tls?: boolean;
}

/** Runs a sandbox until SIGTERM or SIGINT, then stops it cleanly. Resolves when it has stopped. */
export async function runSandbox({ port, stateDir, json, tls = false }: RunSandboxOptions): Promise<void> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const sandbox = await startSandbox({ stateDir, log, port, tls, keepPorts: true });
  // Waiting starts before the line is out: whoever reads it may send the signal at once.
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  process.stdout.write(json ? `${JSON.stringify(readyLine(sandbox))}\n` : readyText(sandbox));
  await stopped;
  await sandbox.close();
}

const readyLine = ({ apiUrl, objectsUrl, controlUrl, caFile, users }: Sandbox) => ({
  apiUrl,
  objectsUrl,
  controlUrl,
  caFile,
  users,
});

function readyText(sandbox: Sandbox): string {
  const users = sandbox.users.map(
    (u) => `  ${u.email}  ${u.password}${u.isAdmin ? '  (administrator)' : ''}`,
  );
  return [
    'A local NDI Cloud is running. Point a client at it with',
    `  export NDI_CLOUD_URL=${sandbox.apiUrl}`,
    ...(sandbox.caFile === null ? [] : [`  export COURIER_CA_FILE='${sandbox.caFile}'`]),
    'and log in as one of',
    ...users,
    `Faults, knobs and counters: ${sandbox.controlUrl}`,
    'Ctrl-C stops it.\n',
  ].join('\n');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      state: { type: 'string' },
      json: { type: 'boolean', default: false },
      tls: { type: 'boolean', default: false },
    },
  });
  await runSandbox({
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    stateDir: values.state ?? join(tmpdir(), 'ndi-courier-sandbox'),
    json: values.json,
    tls: values.tls,
  });
}
