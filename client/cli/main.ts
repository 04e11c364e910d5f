#!/usr/bin/env node
/**
 * The `ndi-courier` command. Loads the one command that was asked for, and nothing else. Where the machine's
 * Node.js is too old and a checkout has brought its own, that one takes over.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const OLDEST_NODE = 24;

/** The Node.js that the `node` package brings, when it is installed beside us. */
function ownNode(): string | undefined {
  try {
    const path = createRequire(import.meta.url).resolve('node/package.json');
    const binary = join(dirname(path), 'bin', 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Ends as the other process does. A signal to us is one to it: a script that stops us stops the command. */
function handOver(node: string): void {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));
}

if (Number(process.versions.node.split('.')[0]) >= OLDEST_NODE) {
  const { runCli } = await import('./program.ts');
  process.exitCode = await runCli(process.argv.slice(2));
} else {
  const node = ownNode();
  if (node === undefined) {
    process.stderr.write(
      `ndi-courier needs Node.js ${OLDEST_NODE} or later; this is ${process.versions.node}. Get it from https://nodejs.org.\n`,
    );
    process.exitCode = 2;
  } else handOver(node);
}
