/**
 * `npm run build`: what is published, in `dist/`.
 *
 *   1. tsc compiles the rooms
 *   2. what is not TypeScript in them is copied
 *   3. the workflows are bundled twice, with and without the failure converter (see
 *      workers/workflow-bundle.ts)
 *   4. the command is made executable
 *
 * Everything is made aside and then renamed, so that a running service or another build never sees half of
 * it.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const aside = join(root, '.cache', `build-${process.pid}`);
const CLI = join('client', 'cli', 'main.js');

function compile(): void {
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json', '--outDir', aside], {
    cwd: root,
    stdio: 'inherit',
  });
  // tsc has said already where it failed.
  if (status !== 0) process.exit(1);
}

function copyAssets(): void {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')) as {
    include: string[];
  };
  for (const path of include.flatMap((room) => globSync(`${room}/**/*`, { cwd: root }))) {
    if (path.endsWith('.ts') || statSync(join(root, path)).isDirectory()) continue;
    mkdirSync(dirname(join(aside, path)), { recursive: true });
    copyFileSync(join(root, path), join(aside, path));
  }
}

async function bundle(): Promise<void> {
  const from = (name: string) => pathToFileURL(join(aside, 'workers', name)).href;
  const { bundleName, bundleWorkflows } = (await import(
    from('workflow-bundle.js')
  )) as typeof import('../workers/workflow-bundle.ts');
  const encrypted = { failureConverterPath: join(aside, 'workers', 'failure-converter.js') };
  for (const dataConverter of [undefined, encrypted]) {
    const { code } = await bundleWorkflows(dataConverter);
    writeFileSync(join(aside, 'workflows', bundleName(dataConverter)), code);
  }
}

const startedAt = performance.now();
mkdirSync(aside, { recursive: true });
process.on('exit', () => rmSync(aside, { recursive: true, force: true }));
compile();
copyAssets();
await bundle();
if (existsSync(join(aside, CLI))) chmodSync(join(aside, CLI), 0o755);
rmSync(dist, { recursive: true, force: true });
renameSync(aside, dist);
console.log(`Built dist/ in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
