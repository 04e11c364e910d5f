/**
 * `ndi-courier cloud …`: the raw API, one command per endpoint. Answers are JSON lines (lists) or one JSON object, so
 * that they can be piped; presigned addresses are used here and never printed.
 */

import { datasets } from './cloud/datasets.ts';
import { documents } from './cloud/documents.ts';
import { files } from './cloud/files.ts';
import { defineCommand } from './command.ts';

export const command = defineCommand({
  name: 'cloud',
  summary: 'The raw NDI Cloud API.',
  description:
    'One command per endpoint. Lists are printed as JSON, one row per line; everything else as one JSON object. Nothing ' +
    'here is durable: for moving datasets use upload and download.',
  examples: [
    { line: 'ndi-courier cloud datasets list', does: 'datasets of your organisation' },
    { line: 'ndi-courier cloud documents class-counts 65a1b2c3d4e5f60718293a4b', does: 'what is in one' },
  ],
  subcommands: [datasets, documents, files],
});
