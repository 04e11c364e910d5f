/**
 * The keyring of the operating system, through the optional package `@napi-rs/keyring`. It counts only when
 * it really works: a probe is stored, read back and deleted. On Linux only the Secret Service will do: the
 * kernel's keyring forgets at a reboot, and a worker in another session cannot see into it.
 */
import { randomUUID } from 'node:crypto';
import type { Environment } from './environment.ts';

export interface Keyring {
  /** `undefined` when there is nothing under this name. May throw when the keyring is locked. */
  get(account: string): Promise<string | undefined>;
  set(account: string, secret: string): Promise<void>;
  delete(account: string): Promise<void>;
}

/** A locked keyring may ask on a screen that nobody looks at. */
const PATIENCE_MS = 3_000;

/** A keyring for `service`, or `undefined` when there is none that works, or `COURIER_KEYRING=off`. */
export async function openKeyring(service: string, env: Environment): Promise<Keyring | undefined> {
  if (/^(?:off|0|false|no)$/i.test(env.COURIER_KEYRING?.trim() ?? '')) return undefined;
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring');
    const options = { linux: { store: 'secret-service' as const } };
    const patience = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);
    return {
      async get(account) {
        return (await new AsyncEntry(service, account, options).getPassword(patience())) ?? undefined;
      },
      async set(account, secret) {
        await new AsyncEntry(service, account, options).setPassword(secret, patience());
      },
      async delete(account) {
        await new AsyncEntry(service, account, options).deleteCredential(patience());
      },
    };
  } catch {
    // Not installed, or no native build for this machine.
    return undefined;
  }
}

/** True when a secret that is stored comes back and goes away again. */
export async function keyringWorks(keyring: Keyring): Promise<boolean> {
  const account = `probe-${randomUUID()}`;
  try {
    const secret = randomUUID();
    await withPatience(keyring.set(account, secret));
    const back = await withPatience(keyring.get(account));
    await withPatience(keyring.delete(account));
    return back === secret && (await withPatience(keyring.get(account))) === undefined;
  } catch {
    return false;
  }
}

/** The native call may not listen to its signal while it waits for D-Bus. */
export async function withPatience<Value>(work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the keyring did not answer')), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
