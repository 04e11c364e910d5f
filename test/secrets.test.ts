/**
 * After runs that went well, badly and by way of expired tokens and addresses, everything that ndi-courier
 * has written is searched for passwords, tokens and presigned signatures: Temporal's database and its log,
 * logs, ledgers, reports, the datasets, and what the commands printed. An eavesdropper on the wire knows what
 * to look for.
 */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, createHarness, type Harness } from './cli/harness.ts';
import { type Eavesdropper, startEavesdropper } from './support/eavesdropper.ts';

/** Names that a search must find, or it would find nothing. */
const CANARY = 'canary-dataset-name';
/** Where an account is kept, as it must be somewhere: readable by its owner only. */
const VAULT = 'home/secrets.json';
/** Files come and go while the service runs. */
const QUIETLY = { throwIfNoEntry: false } as const;

describe.each(['environment', 'profile'] as const)('secrets of an account in the %s', (account) => {
  let cli: Harness;
  let wire: Eavesdropper;
  let printed = '';
  const passwords = new Set<string>();

  const env = () => ({ NDI_CLOUD_URL: wire.apiUrl });
  async function run(args: readonly string[], input?: string): Promise<CommandResult> {
    const done = await cli.run(args, { env: env(), ...(input === undefined ? {} : { input }) });
    printed += done.stdout + done.stderr;
    return done;
  }

  beforeAll(async () => {
    cli = await createHarness({ login: account === 'environment' });
    wire = await startEavesdropper(cli.sandbox);
    const { email, password } = cli.user('lab');
    passwords.add(password);
    if (account === 'profile') {
      const login = await run(['login', '--email', email, '--password-stdin', '--json'], `${password}\n`);
      expect(login.code, login.stderr).toBe(0);
    }
  });
  afterAll(async () => {
    // The service has the eavesdropper's address: it goes first.
    await cli?.close();
    await wire?.close();
  });

  it('are used by runs that go well and badly', async () => {
    const { faults } = cli.sandbox;
    const source = await cli.dataset({ documents: 80, files: 10, fileBytes: 20_000 });
    faults.set({ route: 'PUT object', kind: 'expired-url', count: 1 });
    // More than the tries of one address: the step fails with what the connection said.
    faults.set({ route: 'PUT object', kind: 'reset-during', skip: 1, count: 4 });
    faults.set({ route: '*', origin: 'api', kind: 'expired-token', skip: 8, count: 1 });
    const up = await run(['upload', source, '--new', CANARY, '--wait', '--json']);
    expect(up.code, up.stderr).toBe(0);
    cli.sandbox.expireTokens();
    faults.clear();
    faults.set({ route: 'GET object', kind: 'expired-url', count: 2 });
    faults.set({ route: 'GET object', kind: '5xx', skip: 2, count: 6 });
    const down = await run(['download', up.json().datasetId, cli.path('down'), '--wait']);
    expect(down.code, down.stderr).toBe(0);
    faults.clear();

    // One that fails: the cloud dataset goes while bytes are on their way.
    const gone = await cli.dataset({ documents: 80, files: 10, fileBytes: 20_000 });
    faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 4_000 } });
    const { organizationId } = cli.user('lab');
    const { id } = await asUser('POST', `/organizations/${organizationId}/datasets`, { name: 'Doomed' });
    const failing = cli.start(['upload', gone, '--to', id!, '--wait', '--json'], { env: env() });
    while (faults.list()[0]?.fired === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await asUser('DELETE', `/datasets/${id}?when=now`);
    faults.clear();
    const failed = await failing.finished;
    printed += failed.stdout + failed.stderr;
    expect(failed.code, failed.stderr).toBe(1);
    printed += JSON.stringify(await run(['runs', 'list', '--json']));

    expect(wire.tokens.size).toBeGreaterThanOrEqual(2);
    // One for each binary that came down, and more.
    expect(wire.signatures.size).toBeGreaterThan(10);
  }, 120_000);

  async function asUser(method: string, path: string, body?: object): Promise<{ id?: string }> {
    const answer = await fetch(cli.sandbox.apiUrl + path, {
      method,
      headers: { authorization: `Bearer ${[...wire.tokens].at(-1)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(answer.ok, `${method} ${path}`).toBe(true);
    return (await answer.json()) as { id?: string };
  }

  it('are found nowhere, while the service runs and after it has stopped', async () => {
    const secrets = [...passwords, ...wire.tokens, ...signaturePartsOf(wire.tokens), ...wire.signatures];
    const encoded = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('base64')]);
    const running = everythingWritten();
    expect(running.some(({ name }) => name.endsWith('temporal.sqlite-wal'))).toBe(true);
    expect(whereIs(encoded, running)).toEqual([]);
    await run(['down']);
    const stopped = everythingWritten();
    expect(whereIs(encoded, stopped)).toEqual([]);
    // The search does find: what may be written is there.
    const canaries = whereIs([CANARY], stopped).join('\n');
    expect(canaries).toContain('temporal.sqlite');
    expect(canaries).toContain('printed');
    const ids = whereIs(['upload/'], stopped).join('\n');
    for (const where of ['ledger.sqlite', 'reports/', 'logs/worker.log']) expect(ids).toContain(where);
    // And the account is where it belongs, or nowhere at all.
    const vault = join(cli.dir, VAULT);
    expect(existsSync(vault)).toBe(account === 'profile');
    if (account === 'profile') {
      expect(readFileSync(vault, 'utf8')).toContain(cli.user('lab').password);
      expect(statSync(vault).mode & 0o077).toBe(0);
    }
  });

  interface Written {
    readonly name: string;
    readonly bytes: Buffer;
  }

  /**
   * Every file below the test's folder but the cloud's own, databases also row by row, and what was printed.
   */
  function everythingWritten(): Written[] {
    const names = (readdirSync(cli.dir, { recursive: true }) as string[]).filter(
      (name) =>
        !name.startsWith('cloud/') && name !== VAULT && statSync(join(cli.dir, name), QUIETLY)?.isFile(),
    );
    const written = names.flatMap((name): Written[] => {
      const path = join(cli.dir, name);
      const raw = { name, bytes: readFileSync(path) };
      return name.endsWith('.sqlite') ? [raw, { name: `${name} rows`, bytes: rowsOf(path) }] : [raw];
    });
    return [...written, { name: 'printed', bytes: Buffer.from(printed) }];
  }
});

const signaturePartsOf = (tokens: Iterable<string>): string[] => [...tokens].map((one) => one.split('.')[2]!);

/** All values of all tables: in the file a long value may lie in pieces. */
function rowsOf(path: string): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'courier-rows-'));
  try {
    for (const suffix of ['', '-wal']) {
      if (existsSync(path + suffix)) copyFileSync(path + suffix, join(dir, basename(path) + suffix));
    }
    const database = new DatabaseSync(join(dir, basename(path)));
    const chunks: Buffer[] = [];
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    for (const { name } of tables as { name: string }[]) {
      const query = database.prepare(`SELECT * FROM "${name}"`);
      query.setReadBigInts(true);
      for (const row of query.iterate()) {
        for (const value of Object.values(row)) {
          if (typeof value === 'string') chunks.push(Buffer.from(`${value}\n`));
          else if (value instanceof Uint8Array) chunks.push(Buffer.from(value));
        }
      }
    }
    database.close();
    return Buffer.concat(chunks);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Where any of these is, without saying what was found. */
const whereIs = (needles: readonly string[], written: readonly { name: string; bytes: Buffer }[]): string[] =>
  written.filter(({ bytes }) => needles.some((needle) => bytes.includes(needle))).map(({ name }) => name);
