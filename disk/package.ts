/** Where this package lies and how its own scripts are started, from sources and from `dist/` alike. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of ndi-courier's own package.json: the checkout, or `node_modules/ndi-courier`. */
export function packageRoot(from: string = import.meta.url): string {
  let dir = dirname(fileURLToPath(from));
  // `dist/` holds no package.json, so the first one upwards is ours.
  while (!existsSync(join(dir, 'package.json'))) {
    if (dirname(dir) === dir) throw new Error(`${fileURLToPath(from)} is in no package`);
    dir = dirname(dir);
  }
  return dir;
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

/**
 * The path of a script beside the calling module: `x.ts` when that runs from sources, `x.js` from `dist/`.
 */
export function siblingScript(importMetaUrl: string, name: string): string {
  const extension = importMetaUrl.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(`./${name}${extension}`, importMetaUrl));
}
