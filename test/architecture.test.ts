/**
 * The house rules that a compiler does not know: who may import whom, what workflow code may reach, lengths
 * of files and functions.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { ARROWS, GROUND, type ImportKind, KNOWN_CIRCLES, KNOWN_LONG_FUNCTIONS } from './support/arrows.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  readonly kind: ImportKind;
  readonly from: string;
}

/** Files that hold data alone and import nothing but such files. */
const PURE_DATA = [
  'workflows/operations.ts',
  'workflows/contracts/operation.ts',
  'workflows/contracts/tuning.ts',
  'workflows/contracts/upload.ts',
  'workflows/contracts/download.ts',
  'workflows/contracts/files.ts',
  'workflows/contracts/night.ts',
  'workflows/contracts/preview.ts',
  'workflows/contracts/sync.ts',
];

/** Files that read or copy through `node:fs` themselves: what they open is no file of a dataset. */
const OTHER_OPENERS: Readonly<Record<string, string>> = {
  'activities/download/build-dir.ts': 'the mark in a building folder of ours',
  'transfer/get.ts': 'a partial file of ours, to write',
  'transfer/threads/place.ts': 'a partial file of ours, to write',
  'transfer/unzip.ts': 'an archive that we fetched',
  'ndi/dataset/snapshot.ts': 'a database, copied only after it was seen to be a regular file',
  'ndi/metadata/metadata.ts': 'what a person names, which may be a pipe',
  'ndi/auth/private-file.ts': 'our own profiles and what the older clients keep',
  'ndi/synthetic/dataset.ts': 'a dataset that is being made',
};

const rooms = Object.keys(ARROWS);
const filesOf = (folders: readonly string[]): string[] =>
  folders
    .flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
    .map((path) => path.split('\\').join('/'))
    .sort();
const sources = filesOf(rooms).filter((path) => !path.endsWith('.test.ts'));
/** Folders with TypeScript that is not published. */
const OTHER_FOLDERS = ['test', 'bench', 'tools', 'examples'];

function importsOf(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: Import[] = [];
  const statement = /^[ \t]*(?:import|export)\s+(type\s)?(?:[^'"`;()=]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const [, type, from] of text.matchAll(statement)) {
    found.push({ kind: type === undefined ? 'value' : 'type', from: from! });
  }
  // `typeof import('…')` and `import('…').X` in a type position are erased; counting them as late is the
  // strict side.
  for (const [, from] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ kind: 'late', from: from! });
  }
  return found;
}

/** Whether `target` is ground that `room` stands on. */
function isGround(room: string, target: string): boolean {
  if (target === 'errors') return true;
  const ground: readonly string[] = GROUND;
  return ground.includes(target) && !ground.includes(room) && room !== 'workflows';
}

/** The path within the project that a relative import names. */
const resolveImport = (path: string, from: string): string | undefined =>
  from.startsWith('.') ? posix.normalize(posix.join(dirname(path), from)) : undefined;

/** Groups of files that import each other, by whatever way (Tarjan's strongly connected components). */
function circlesAmong(paths: readonly string[], importsFrom: (path: string) => readonly string[]): string[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[] = [];
  const known = new Set(paths);
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    for (const target of importsFrom(path)) {
      if (!known.has(target)) continue;
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(path, Math.min(low.get(path)!, low.get(target)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const members = stack.splice(stack.indexOf(path));
    if (members.length > 1 || importsFrom(path).includes(path)) circles.push(members.sort().join(', '));
  };
  for (const path of paths) if (!index.has(path)) visit(path);
  return circles.sort();
}

const MAX_FUNCTION_LINES = 60;

/**
 * Names of the top-level functions of a file with their lines. The formatter begins a top-level statement in
 * the first column, and continues it there with nothing but closing brackets.
 */
function functionsOf(path: string): { readonly name: string; readonly lines: number }[] {
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  const head =
    /^(?:export )?(?:default )?(?:(?:async )?function\*? ?(\w*)|const (\w+)[^=]* = (?:async )?(?:\(|<|\w+ =>|function))/;
  return lines.flatMap((line, at) => {
    const found = head.exec(line);
    if (found === null) return [];
    const next = lines.findIndex((later, n) => n > at && /^[^\s)\]}>]/.test(later));
    const statement = lines.slice(at, next === -1 ? lines.length : next);
    while (statement.at(-1) === '') statement.pop();
    return [{ name: found[1] ?? found[2] ?? '', lines: statement.length }];
  });
}

describe('the rules of the house', () => {
  it('sees the imports that are written', () => {
    const kinds = (path: string) => importsOf(path).map(({ kind, from }) => `${kind} ${from}`);
    expect(kinds('workers/temporal-cli/download.ts')).toEqual(
      expect.arrayContaining(['value node:child_process', 'type ./maker.ts', 'late @temporalio/testing']),
    );
    expect(kinds('errors/index.ts')).toEqual([
      'value ./table.ts',
      'type ./types.ts',
      'value ./table.ts',
      'type ./types.ts',
      'value ./waits.ts',
    ]);
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
        if (isGround(room, targetRoom)) continue;
        const allowed = ARROWS[room]?.[targetRoom]?.kinds ?? [];
        // Pure data may be read wherever its types may.
        if (allowed.includes('type') && PURE_DATA.includes(target)) continue;
        if (!allowed.includes(kind)) wrong.push(`${path}: ${kind} import of ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('gives a reason for every arrow', () => {
    for (const arrow of Object.values(ARROWS).flatMap((to) => Object.values(to)))
      expect(arrow.because.length).toBeGreaterThan(10);
    const targets = Object.values(ARROWS).flatMap((to) => Object.keys(to));
    expect(targets.filter((room) => !rooms.includes(room))).toEqual([]);
  });

  it('names the same rooms to the compiler, to the build and here', () => {
    const included = (file: string): string[] =>
      (JSON.parse(readFileSync(join(root, file), 'utf8')) as { include: string[] }).include.sort();
    const present = rooms.filter((room) => existsSync(join(root, room)));
    expect(included('tsconfig.build.json')).toEqual([...present].sort());
    expect(included('tsconfig.json')).toEqual([...present, ...OTHER_FOLDERS, '*.config.ts'].sort());
    const folders = new Set(
      globSync('*/**/*.ts', { cwd: root, exclude: ['node_modules', 'dist', '.cache'] }).map(
        (path) => path.split(/[\\/]/)[0]!,
      ),
    );
    expect([...folders].sort()).toEqual([...present, ...OTHER_FOLDERS].sort());
  });

  it('has no circles of imports between files', () => {
    const within = (path: string): string[] =>
      importsOf(path).flatMap(({ from }) => resolveImport(path, from) ?? []);
    expect(circlesAmong(filesOf([...rooms, ...OTHER_FOLDERS]), within)).toEqual(KNOWN_CIRCLES);
  });

  it('finds circles where there are any', () => {
    const imports: Record<string, string[]> = {
      a: ['b'],
      b: ['c', 'd'],
      c: ['b'],
      d: ['e'],
      e: [],
      f: ['f'],
    };
    expect(circlesAmong(Object.keys(imports), (path) => imports[path] ?? [])).toEqual(['b, c', 'f']);
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

  it('keeps functions short enough to be read', () => {
    const long = sources.flatMap((path) =>
      functionsOf(path)
        .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
        .map(({ name }) => `${path} ${name}`),
    );
    expect(long).toEqual(KNOWN_LONG_FUNCTIONS);
  });

  it('opens SQLite files in sqlite/ only, but for document databases and locks', () => {
    const wrong = sources.filter(
      (path) =>
        !/^(sqlite|ndi\/dataset|ndi\/synthetic|workers\/lock\.ts)/.test(path) &&
        importsOf(path).some(({ kind, from }) => from === 'node:sqlite' && kind !== 'type'),
    );
    expect(wrong).toEqual([]);
  });

  it('opens the files of a dataset in one place, which neither waits nor reads without end', () => {
    const openers =
      /\b(?:open|openSync|openAsBlob|readFile|readFileSync|createReadStream|copyFile|copyFileSync|cp|cpSync)\b/;
    const wrong = sources.filter((path) => {
      if (
        !/^(?:activities|transfer|ndi|ledger)\//.test(path) ||
        path.endsWith('.fixture.ts') ||
        path in OTHER_OPENERS
      )
        return false;
      const text = readFileSync(join(root, path), 'utf8');
      return [...text.matchAll(/import \{([^}]*)\} from 'node:fs(?:\/promises)?'/g)].some(([, names]) =>
        openers.test(names!),
      );
    });
    expect(wrong).toEqual([]);
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
      // 1.45 MB are the SDK's own. Two thirds of the whole are the source map.
      expect(megabytes).toBeLessThan(2.1);
      expect(code.indexOf('//# sourceMappingURL') / 1e6).toBeLessThan(0.7);
    },
  );
});
