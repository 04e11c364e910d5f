/**
 * The key of a private service: a file in the state folder that its owner alone can read. Clients and workers
 * of the embedded server use it as they use COURIER_PAYLOAD_KEY, and workers refuse what is not encrypted. A
 * server elsewhere has other clients, which cannot read this file: there the variable is used.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { placeIfAbsent } from '../disk/link.ts';
import { CourierError } from '../errors/index.ts';
import { withoutProxy } from '../net/grpc.ts';
import { KEY_BYTES } from './codec.ts';
import type { Home } from './home.ts';
import type { Log } from './logs.ts';

/** Whether the service of this state folder is private. */
export const isPrivate = (home: Home): boolean => existsSync(home.payloadKeyFile);

/**
 * The key, base64; `undefined` when the service is not private.
 * @throws NDI_E_SETTING for a file that is damaged or cannot be read: nothing is ever sent in clear instead.
 */
export function readPayloadKey(home: Home): string | undefined {
  let key: string;
  try {
    key = readFileSync(home.payloadKeyFile, 'utf8').trim();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CourierError('NDI_E_SETTING', { detail: `${home.payloadKeyFile} cannot be read.`, cause });
  }
  if (Buffer.from(key, 'base64').length === KEY_BYTES) return key;
  throw new CourierError('NDI_E_SETTING', {
    detail: `${home.payloadKeyFile} is damaged; without its backup, runs in ${home.temporalDbFile} cannot be read.`,
  });
}

/**
 * Makes the service private; one that is private already stays as it is. Before any worker runs, so that no
 * worker has accepted anything without the key.
 * @throws NDI_E_USAGE while runs are open: workers would refuse to go on with them.
 */
export async function makePrivate(
  home: Home,
  server: { readonly address: string; readonly namespace: string },
  log: Log,
): Promise<void> {
  if (isPrivate(home)) return;
  const connection = await Connection.connect(withoutProxy({ address: server.address }));
  try {
    const client = new Client({ connection, namespace: server.namespace });
    const { count } = await client.workflow.count("ExecutionStatus = 'Running'");
    if (count > 0) throw notPrivate(`Runs that were started without a key are open (${count}).`);
  } finally {
    await connection.close();
  }
  writeKey(home.payloadKeyFile);
  log(`The service is private: its key is in ${home.payloadKeyFile}. Without it no run can be read.`);
}

/** Why a service is not made private now, and how it is. */
export const notPrivate = (why: string): CourierError =>
  new CourierError('NDI_E_USAGE', {
    detail: `--private: ${why} Let runs end or cancel them, then \`ndi-courier down\` and \`ndi-courier up --private\`.`,
  });

function writeKey(path: string): void {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  writeFileSync(aside, `${randomBytes(KEY_BYTES).toString('base64')}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  });
  try {
    placeIfAbsent(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
}
