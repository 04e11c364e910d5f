/** `ndi-courier clean` */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { CleanPlan } from '../../clean.ts';
import { option } from '../../options.ts';
import { formatBytes, plural, printable } from '../../view/format.ts';
import { table } from '../../view/table.ts';
import { AGE, ageMs } from '../age.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';
import { confirm } from '../prompt.ts';
import { jsonShape } from '../shared-options.ts';

const options = z
  .object({
    olderThan: option(z.string().regex(AGE, 'give 30m, 12h or 7d').default('30d'), {
      help: 'Only what is older than this: 12h, 30d.',
      value: 'TIME',
    }),
    yes: option(z.boolean().default(false), {
      help: 'Remove it without asking. Without it, a script only gets the list.',
    }),
    ...jsonShape,
  })
  .strict();

export const command = defineCommand({
  name: 'clean',
  summary: 'Remove old plans, listings, reports and logs.',
  description:
    'Shows first what it would remove, with sizes, and asks. In the state folder these are rotated logs, plans of dry runs and ' +
    'files of processes that are gone; in the given datasets, and in ledgers that the state folder holds, reports and the plans and ' +
    'listings of runs that have ended. The record of what both sides agreed on, the audit, the newest run of a dataset, runs that ' +
    'have not ended and all data stay.',
  args: [{ name: '[datasets...]', help: 'Dataset folders to clean, too.' }],
  options,
  examples: [
    { line: 'ndi-courier clean', does: 'the state folder' },
    {
      line: 'ndi-courier clean /data/ferret-17 --older-than 90d --yes',
      does: 'a dataset too, from a script',
    },
  ],
  run: async (invocation, [dirs], { olderThan, yes, json }) => {
    const { env, out, cwd, stdin } = invocation;
    const [{ homeFromEnv }, { processToken }, { clean, planClean }] = await Promise.all([
      import('../../../workers/home.ts'),
      import('../../../workers/processes.ts'),
      import('../../clean.ts'),
    ]);
    const request = {
      homeDir: homeFromEnv(env).dir,
      dirs: dirs.map((dir) => resolve(cwd, dir)),
      olderThanMs: ageMs(olderThan),
      isProcessAlive: (pid: number) => processToken(pid) !== undefined,
    };
    const found = planClean(request);
    if (!json) show(found, olderThan, out.print);
    const isEmpty = found.files.length === 0 && found.runs.length === 0;
    if (!yes && !isEmpty && stdin.isTTY && !json) await confirm(invocation, 'Remove all of this?');
    else if (!yes || isEmpty) {
      if (json) out.json({ removed: false, ...totals(found), ...found });
      else if (!isEmpty) out.print('Nothing was removed; pass --yes to remove it.');
      return EXIT.done;
    }
    const gone = clean(request);
    if (json) out.json({ removed: true, ...totals(gone), ...gone });
    else out.print(`Removed ${summary(gone)}.`);
    return EXIT.done;
  },
});

const totals = ({ files, runs }: CleanPlan) => ({
  totalBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  totalRuns: runs.reduce((sum, { runKeys }) => sum + runKeys.length, 0),
});

function summary(plan: CleanPlan): string {
  const { totalBytes, totalRuns } = totals(plan);
  const files = `${plural(plan.files.length, 'file')} (${formatBytes(totalBytes)})`;
  return totalRuns === 0 ? files : `${files}, and the plans of ${plural(totalRuns, 'run')}`;
}

function show(plan: CleanPlan, olderThan: string, print: (text: string) => void): void {
  for (const { ledger, reason } of plan.skipped)
    print(`Left alone: ${printable(ledger)}: ${printable(reason)}`);
  const rows = [
    ...plan.files.map(({ kind, path, sizeBytes }) => [kind, formatBytes(sizeBytes), printable(path)]),
    ...plan.runs.map(({ ledger, runKeys }) => ['runs', plural(runKeys.length, 'run'), printable(ledger)]),
  ];
  if (rows.length === 0) print(`Nothing is older than ${olderThan}.`);
  else print(`${table(['WHAT', 'SIZE', 'WHERE'], rows)}\nIn all ${summary(plan)}.`);
}
