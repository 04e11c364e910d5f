/** The house rules that a compiler does not know: who may import whom, what workflow code may reach, file length. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `value` runs the other module, `type` is erased, `late` is `import()`: loaded only when needed. */
type ImportKind = 'value' | 'type' | 'late';
interface Import {
  readonly kind: ImportKind;
  readonly from: string;
}

const FULL: readonly ImportKind[] = ['value', 'type', 'late'];
const TYPES: readonly ImportKind[] = ['type'];
const LATE: readonly ImportKind[] = ['type', 'late'];

/** The ground: everybody may import it, but for workflows, and of itself it imports errors alone. */
const GROUND = ['errors', 'sqlite', 'disk'];

/** A room not named here may not be imported. */
const ARROWS: Record<string, Readonly<Record<string, readonly ImportKind[]>>> = {
  errors: {},
  sqlite: {},
  disk: {},
  ndi: {},
  transfer: {},
  ledger: { ndi: TYPES },
  sync: { ndi: TYPES },
  crossref: { ndi: TYPES },
  intake: { ndi: TYPES, transfer: FULL },
  workflows: { sync: TYPES, ndi: TYPES, crossref: TYPES },
  // Workflows and activities share their contracts as types; nothing of a workflow runs in an activity.
  activities: {
    workflows: TYPES,
    ndi: FULL,
    transfer: FULL,
    ledger: FULL,
    sync: FULL,
    crossref: FULL,
    intake: FULL,
  },
  // The composition root builds what activities are handed.
  workers: {
    workflows: FULL,
    activities: FULL,
    ndi: FULL,
    transfer: FULL,
    ledger: FULL,
    sync: FULL,
    crossref: FULL,
    intake: FULL,
  },
  // The client starts workers and the sandbox as processes, or loads them last: `--help` must not load a server.
  client: { workflows: FULL, ndi: FULL, workers: LATE, sandbox: LATE },
  sandbox: { ndi: TYPES },
};

/** Files that hold data alone and import nothing but such files. */
const PURE_DATA = [
  'workflows/operations.ts',
  'workflows/contracts/operation.ts',
  'workflows/contracts/tuning.ts',
  'workflows/contracts/upload.ts',
  'workflows/contracts/download.ts',
  'workflows/contracts/files.ts',
];

const rooms = Object.keys(ARROWS);
const sources = rooms
  .flatMap((room) => globSync(`${room}/**/*.ts`, { cwd: root }))
  .map((path) => path.split('\\').join('/'))
  .filter((path) => !path.endsWith('.test.ts'))
  .sort();

function importsOf(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: Import[] = [];
  const statement = /^[ \t]*(?:import|export)\s+(type\s)?(?:[^'"`;()=]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const [, type, from] of text.matchAll(statement)) {
    found.push({ kind: type === undefined ? 'value' : 'type', from: from! });
  }
  // `typeof import('…')` and `import('…').X` in a type position are erased; counting them as late is the strict side.
  for (const [, from] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ kind: 'late', from: from! });
  }
  return found;
}

/** The path within the project that a relative import names. */
const resolveImport = (path: string, from: string): string | undefined =>
  from.startsWith('.') ? posix.normalize(posix.join(dirname(path), from)) : undefined;

describe('the rules of the house', () => {
  it('sees the imports that are written', () => {
    const kinds = (path: string) => importsOf(path).map(({ kind, from }) => `${kind} ${from}`);
    expect(kinds('workers/temporal-cli/download.ts')).toEqual(
      expect.arrayContaining(['value node:child_process', 'type ./maker.ts', 'late @temporalio/testing']),
    );
    expect(kinds('errors/index.ts')).toEqual(['value ./table.ts', 'value ./table.ts']);
  });

  it('lets imports follow the arrows only', () => {
    const wrong: string[] = [];
    for (const path of sources) {
      const room = path.split('/')[0]!;
      for (const { kind, from } of importsOf(path)) {
        const target = resolveImport(path, from);
        if (target === undefined) continue;
        const targetRoom = target.split('/')[0]!;
        if (targetRoom === room) continue;
        if (targetRoom === 'errors' || (GROUND.includes(targetRoom) && !GROUND.includes(room))) continue;
        const allowed = ARROWS[room]?.[targetRoom] ?? [];
        // Pure data may be read wherever its types may.
        if (allowed.includes('type') && PURE_DATA.includes(target)) continue;
        if (!allowed.includes(kind)) wrong.push(`${path}: ${kind} import of ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('finds no import but types and pure data in pure data', () => {
    for (const path of PURE_DATA) {
      for (const { kind, from } of importsOf(path)) {
        const target = resolveImport(path, from) ?? from;
        if (kind !== 'type' && !PURE_DATA.includes(target)) throw new Error(`${path} imports ${target}`);
      }
    }
  });

  it('keeps all but deterministic code out of what workflows reach', () => {
    const wrong: string[] = [];
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const { kind, from } of importsOf(path)) {
        if (kind === 'type') continue;
        const target = resolveImport(path, from);
        if (target !== undefined) visit(target);
        // Even `node:assert` breaks the bundle, and zod adds a megabyte to every cached workflow.
        else if (!['@temporalio/workflow', '@temporalio/common'].includes(from))
          wrong.push(`${path}: ${from}`);
      }
    };
    for (const path of sources.filter((source) => source.startsWith('workflows/'))) visit(path);
    expect(wrong).toEqual([]);
    for (const path of seen) expect(path).toMatch(/^(workflows|errors)\//);
  });

  it('keeps source files short enough to be read', () => {
    const long = sources
      .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });

  it('has a reason for every dependency', () => {
    const table = readFileSync(join(root, 'docs', 'decisions.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|')[1]!)
      .join();
    const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const names = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
    // `@temporalio/client`, `worker`, … share one line, as do all of `@types/*`.
    const named = (name: string) =>
      table.includes(`\`${name}\``) ||
      (name.startsWith('@temporalio/') && table.includes(`\`${name.split('/')[1]}\``)) ||
      (name.startsWith('@types/') && table.includes('`@types/*`'));
    expect(names.filter((name) => !named(name))).toEqual([]);
  });

  const workflowsPath = join(root, 'workflows', 'index.ts');
  it.runIf(existsSync(workflowsPath))(
    'bundles the workflows, small enough to be cached by the hundred',
    async () => {
      const logger = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };
      const { code } = await bundleWorkflowCode({ workflowsPath, logger });
      const megabytes = code.length / 1e6;
      // 1.45 MB are the SDK's own.
      expect(megabytes).toBeLessThan(2);
    },
  );
});
