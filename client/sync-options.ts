/** The options of a sync, declared once: for the command line, schedules, config.json and the library. */
import { z } from 'zod';
import { parseDeleteCap } from '../sync/cap.ts';
import { parseIncludeRules } from '../sync/include.ts';
import { parseSyncMode, SYNC_MODES } from '../sync/modes.ts';
import { CONFLICT_POLICIES, parseConflictPolicies } from '../sync/policies.ts';
import type { SyncMode } from '../sync/types.ts';
import type { SyncInput } from '../workflows/contracts/index.ts';
import { accountShape, commonTuning, option, tuningOption } from './options.ts';

const text = z.string().trim().min(1, 'must not be empty');
const texts = () => z.union([z.array(text), text.transform((one) => [one])]).default([]);

export const syncShape = {
  mode: option(text.default('two-way'), {
    help: `${SYNC_MODES.join(', ')}; the names of the NDI clients are understood, too.`,
    value: 'MODE',
  }),
  content: option(z.enum(['quick', 'full']).optional(), {
    help: 'quick compares ids and sees no edits in the cloud; full reads the cloud’s documents.',
    defaultText: 'full for two-way and the mirrors, quick for the -new modes',
  }),
  files: option(z.boolean().optional(), {
    help: 'Bring all binaries, or none.',
    negatable: true,
    defaultText: 'as the dataset has them: a hybrid one stays hybrid',
  }),
  conflicts: option(text.default('ask'), {
    help: `What to do with documents that both sides changed: ${CONFLICT_POLICIES.join(', ')}.`,
    value: 'POLICY',
  }),
  policy: option(texts(), {
    help: 'Another policy for the documents of one class: subject=cloud.',
    flags: '--policy <CLASS=POLICY...>',
    defaultText: 'none',
  }),
  deletes: option(z.boolean().default(false), {
    help: 'Pass deletions on. Without it they are listed. The mirrors always do.',
  }),
  maxDelete: option(text.default('50'), {
    help: 'Deletions that need no approval: a number of documents, or a percentage such as 5%.',
    value: 'N|N%',
  }),
  include: option(texts(), {
    help: 'Only documents of which a rule holds: class=NAME, id=GLOB or name=GLOB.',
    flags: '--include <RULE...>',
    defaultText: 'all',
  }),
  exclude: option(texts(), {
    help: 'No documents of which a rule holds.',
    flags: '--exclude <RULE...>',
    defaultText: 'none',
  }),
};

export const syncOptions = z
  .object({ ...syncShape, ...accountShape, ...commonTuning, tuning: tuningOption })
  .strict();

export type SyncSettings = z.output<typeof syncOptions>;

type Chosen = Pick<SyncInput, 'mode' | 'content' | 'files' | 'conflicts' | 'deletes' | 'maxDelete' | 'rules'>;

/** The options in the words of a run. @throws NDI_E_USAGE for a mode, policy, limit or rule that is none */
export function syncChoice(settings: SyncSettings): Chosen {
  const mode: SyncMode = parseSyncMode(settings.mode);
  return {
    mode,
    content: settings.content ?? (mode.endsWith('-new') ? 'quick' : 'full'),
    files: settings.files === undefined ? 'as-is' : settings.files ? 'all' : 'none',
    conflicts: parseConflictPolicies(settings.conflicts, settings.policy),
    deletes: settings.deletes,
    maxDelete: parseDeleteCap(settings.maxDelete),
    rules: parseIncludeRules(settings.include, settings.exclude),
  };
}
