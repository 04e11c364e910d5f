/**
 * `ndi-courier cloud …`: the raw API. Answers are JSON lines (lists) or one JSON object, so that they can be
 * piped; presigned addresses are used here, and printed by the commands alone that are there for it.
 */

import { defineCommand } from '../command.ts';
import { account } from './cloud/account.ts';
import { compute } from './cloud/compute.ts';
import { datasets } from './cloud/datasets.ts';
import { documents } from './cloud/documents.ts';
import { files } from './cloud/files.ts';
import { lock } from './cloud/lock.ts';

export const command = defineCommand({
  name: 'cloud',
  summary: 'The raw NDI Cloud API.',
  description:
    'Everything the API can do. Lists are printed as JSON, one short row per line, with all members of each row with --json; everything else as ' +
    'one JSON object. Nothing here is durable: for moving datasets use upload and download.',
  examples: [
    { line: 'ndi-courier cloud datasets list', does: 'datasets of your organisation' },
    { line: 'ndi-courier cloud documents class-counts 65a1b2c3d4e5f60718293a4b', does: 'what is in one' },
  ],
  subcommands: [datasets, documents, files, account, lock, compute],
});
