#!/usr/bin/env node
/** The `ndi-courier` command. Loads the one command that was asked for, and nothing else. */
import { runCli } from './run.ts';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `ndi-courier needs Node.js 24 or later; this is ${process.versions.node}. Get it from https://nodejs.org.\n`,
  );
  process.exitCode = 2;
} else {
  process.exitCode = await runCli(process.argv.slice(2));
}
