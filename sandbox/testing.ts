/**
 * For tests of the sandbox: one in a folder of its own, and a client that says what came back without judging
 * it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inflateRawSync } from 'node:zlib';
import { ZipArchive } from 'archiver';
import { type Sandbox, type SandboxOptions, type SandboxUser, startSandbox } from './server.ts';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface TestClient {
  user: SandboxUser;
  token: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export interface TestSandbox {
  sandbox: Sandbox;
  stateDir: string;
  /** Without a token. */
  anonymous: TestClient;
  login(email: string): Promise<TestClient>;
  /** Stops it and starts it again on the same folder, on other ports. */
  restart(options?: Partial<SandboxOptions>): Promise<void>;
  close(): Promise<void>;
}

const FAST = { importDelayMs: 20, bulkDownloadDelayMs: 20 } as const;

export async function testSandbox(options: Partial<SandboxOptions> = {}): Promise<TestSandbox> {
  const stateDir = await mkdtemp(join(tmpdir(), 'ndi-sandbox-'));
  const start = async (more: Partial<SandboxOptions> = {}): Promise<Sandbox> => {
    const sandbox = await startSandbox({ stateDir, ...FAST, ...options, ...more });
    Object.assign(sandbox.knobs, { lifecycleDelayMs: 20, jobDelayMs: 20, fileDelayMs: 0 });
    return sandbox;
  };
  const held: TestSandbox = {
    sandbox: await start(),
    stateDir,
    anonymous: undefined as unknown as TestClient,
    login: async (email) => {
      const user = held.sandbox.users.find((u) => u.email === email);
      if (user === undefined) throw new Error(`no user ${email}`);
      const { body } = await held.anonymous.call('POST', '/auth/login', { email, password: user.password });
      return client(held, user, body.token);
    },
    restart: async (more) => {
      await held.sandbox.close();
      held.sandbox = await start(more);
    },
    close: async () => {
      await held.sandbox.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
  held.anonymous = client(held, held.sandbox.users[0] as SandboxUser, '');
  return held;
}

function client(held: TestSandbox, user: SandboxUser, token: string): TestClient {
  return {
    user,
    token,
    call: (method, path, body, headers = {}) =>
      fetchReply(`${held.sandbox.apiUrl}${path}`, {
        method,
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  };
}

export async function fetchReply(url: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(url, init);
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body };
}

/** Creates a dataset and answers its id. */
export async function makeDataset(of: TestClient, name = 'a dataset'): Promise<string> {
  const { status, body } = await of.call('POST', `/organizations/${of.user.organizationId}/datasets`, {
    name,
  });
  if (status !== 201) throw new Error(`create answered ${status}`);
  return body.id;
}

/** A body as NDI has it. */
export const ndiBody = (n: number, className = 'demoNDI', more: object = {}) => ({
  document_class: { class_name: className, superclasses: [{ definition: '$NDIDOCUMENTPATH/base.json' }] },
  base: {
    id: `412697000000${n.toString(16).padStart(4, '0')}_40b0000000000000`,
    session_id: 's',
    name: `doc${n}`,
  },
  ...more,
});

export async function zipOf(entries: Record<string, string | Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const archive = new ZipArchive({ zlib: { level: 1 } });
  for (const [name, content] of Object.entries(entries))
    archive.append(Buffer.from(content as Uint8Array), { name });
  void archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}

/** Asks until the answer pleases, at most two seconds. */
export async function until<T>(ask: () => Promise<T>, pleases: (value: T) => boolean): Promise<T> {
  for (let i = 0; ; i++) {
    const value = await ask();
    if (pleases(value)) return value;
    if (i === 200) throw new Error(`gave up waiting; last value: ${JSON.stringify(value)}`);
    await sleep(10);
  }
}

/** The text of the one entry of a zip, by its local header. */
export function unzipOne(zip: Uint8Array): string {
  const buffer = Buffer.from(zip);
  const start = 30 + buffer.readUInt16LE(26) + buffer.readUInt16LE(28);
  const packed = buffer.subarray(start, start + buffer.readUInt32LE(18));
  return inflateRawSync(packed).toString('utf8');
}
