/** `ndi-courier runs …` */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { operationNames, phaseText } from '../../../workflows/operations.ts';
import { followOptions, option } from '../../options.ts';
import { progressJson } from '../../progress.ts';
import type { RunHandle } from '../../run-handle.ts';
import type { RunSummary } from '../../run-records.ts';
import { answerApproval } from '../../sync.ts';
import { formatBytes, formatDuration, formatRate, formatTime, printable } from '../../view/format.ts';
import { liveLines, resultLines } from '../../view/progress-lines.ts';
import { facts, table } from '../../view/table.ts';
import { AGE, ageMs } from '../age.ts';
import { defineCommand, type Invocation, withCourier } from '../command.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { follow } from '../follow.ts';
import { errorJson, errorText } from '../output.ts';
import { jsonOptions, jsonShape } from '../shared-options.ts';

const RUN = {
  name: '<run>',
  help: 'A workflow id, a run id, or a part of an id that only one run has.',
} as const;

function stateOf({ status, waitingFor, operation, phase }: RunSummary): string {
  if (status !== 'running') return status;
  if (waitingFor !== null) return `waits: ${waitingFor}`;
  return phase === null ? '' : phaseText(operation, phase);
}

const COLUMNS = ['STARTED', 'WHAT', 'STATE', 'SIZE', 'DATASET', 'CLOUD NAME', 'CLOUD ID', 'FOLDER', 'RUN'];

const list = defineCommand({
  name: 'list',
  summary: 'Runs, newest first.',
  options: z
    .object({
      limit: option(z.coerce.number().int().min(1).max(1_000).default(20), {
        help: 'Most runs shown.',
        value: 'N',
      }),
      open: option(z.boolean().default(false), { help: 'Only runs that go on.' }),
      failed: option(z.boolean().default(false), { help: 'Only runs that failed.' }),
      waiting: option(z.boolean().default(false), { help: 'Only runs that wait for something.' }),
      since: option(z.string().regex(AGE, 'give 30m, 12h or 7d').optional(), {
        help: 'Only runs that started within this time: 30m, 12h, 7d.',
        value: 'TIME',
      }),
      dataset: option(z.string().optional(), {
        help: 'Only runs of this dataset: NDI id, cloud id, or a part of its name or folder.',
        value: 'DATASET',
      }),
      operation: option(z.enum(operationNames).optional(), { help: 'Only these.' }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, _args, { json, operation, since, dataset, limit, ...query }) =>
    withCourier(invocation, async (courier) => {
      const found = await courier.runs.listSized({
        ...query,
        ...(operation === undefined ? {} : { operation }),
        ...(since === undefined ? {} : { since: new Date(Date.now() - ageMs(since)) }),
        ...(dataset === undefined ? {} : { dataset }),
        limit: limit + 1,
      });
      const runs = found.slice(0, limit);
      const { out } = invocation;
      if (json) out.json({ runs });
      else if (runs.length === 0) out.print(query.open ? 'Nothing is going on.' : 'There are no such runs.');
      else {
        const rows = runs.map((run) => [
          `${formatDuration(Date.now() - Date.parse(run.startedAt))} ago`,
          run.operation,
          stateOf(run),
          run.bytes === null ? '' : formatBytes(run.bytes),
          run.unreadable ? '(unreadable)' : printable(run.reference ?? ''),
          printable(run.cloudName ?? ''),
          run.datasetId ?? '',
          printable(run.directory ?? ''),
          run.workflowId,
        ]);
        out.print(table(COLUMNS, rows));
        if (found.length > limit) out.note(`There are more runs; --limit shows more than ${limit}.`);
      }
      return EXIT.done;
    }),
});

/** The last run on a dataset, as its report tells it; needs no server. */
async function showReport(
  { out }: Invocation,
  home: string,
  folder: string,
  json: boolean,
): Promise<ExitCode> {
  const { lastReportOf } = await import('../../reports.ts');
  const report = lastReportOf(folder, home);
  if (json) out.json(report);
  else {
    const finished: [string, string] = ['finished', formatTime(report.finishedAt)];
    out.print(facts([['run', report.workflowId], finished, ['cloud', report.cloud]]));
    out.print(`\n${resultLines(report.result).join('\n')}`);
  }
  return EXIT.done;
}

const show = defineCommand({
  name: 'show',
  summary: 'One run: where it is, what it waits for, what failed.',
  args: [
    {
      name: RUN.name,
      help: `${RUN.help} A dataset folder: the report of the last run on it, also long after.`,
    },
  ],
  options: jsonOptions,
  run: async (invocation, [run], { json }) =>
    withCourier(invocation, async (courier) => {
      const { out } = invocation;
      const folder = resolve(invocation.cwd, run);
      if (existsSync(join(folder, '.ndi')))
        return showReport(invocation, await courier.service.homeDir(), folder, json);
      const { error, ...details } = await courier.runs.show(run);
      const page = await courier.linkTo(details.workflowId);
      if (json) {
        out.json({
          ...details,
          progress: progressJson(details.progress),
          page,
          error: error === null ? null : errorJson(error).error,
        });
        return EXIT.done;
      }
      const bytes = details.result?.bytes ?? 0;
      const took = Date.parse(details.closedAt ?? '') - Date.parse(details.startedAt);
      out.print(
        facts([
          ['run', details.workflowId],
          ['run id', details.runId],
          ['what', details.summary ?? undefined],
          ['state', details.status],
          ['started', formatTime(details.startedAt)],
          ['took', Number.isNaN(took) ? undefined : formatDuration(took)],
          ['mean pace', bytes > 0 && took > 0 ? formatRate((bytes * 1_000) / took) : undefined],
          ['dataset', printable(details.reference ?? '') || undefined],
          ['cloud name', printable(details.cloudName ?? '') || undefined],
          ['cloud id', details.datasetId ?? undefined],
          ['folder', details.directory ?? undefined],
          ['site', details.site ?? undefined],
          ['profile', details.profile ?? undefined],
          ['page', page ?? undefined],
        ]),
      );
      out.print('');
      const lines =
        details.result !== null
          ? resultLines(details.result)
          : liveLines(details.progress, {
              columns: out.stdout.columns ?? 120,
              nowMs: details.closedAt === null ? Date.now() : Date.parse(details.closedAt),
            });
      out.print(lines.join('\n'));
      if (error !== null) out.print(errorText(error));
      return EXIT.done;
    }),
});

const watch = defineCommand({
  name: 'watch',
  summary: 'Watch a run until it ends; Ctrl-C leaves it running.',
  args: [RUN],
  options: z.object({ json: followOptions.shape.json }).strict(),
  run: async (invocation, [run], { json }) =>
    withCourier(invocation, async (courier) =>
      follow(await courier.attach(run), invocation, { wait: true, json }),
    ),
});

/** A command that does one thing to a run and says so. */
const steer = (name: string, summary: string, said: string, act: (handle: RunHandle) => Promise<void>) =>
  defineCommand({
    name,
    summary,
    args: [RUN],
    options: jsonOptions,
    run: async (invocation, [run], { json }) =>
      withCourier(invocation, async (courier) => {
        const handle = await courier.attach(run);
        await act(handle);
        return done(invocation, json, `${said}: ${handle.workflowId}`, {
          workflowId: handle.workflowId,
          runId: handle.runId,
          done: name,
        });
      }),
  });

function done({ out }: Invocation, json: boolean, text: string, value: object): ExitCode {
  if (json) out.json(value);
  else out.print(text);
  return EXIT.done;
}

const window = defineCommand({
  name: 'window',
  summary: 'Change how many units are in flight at once.',
  args: [RUN, { name: '<units>', help: '1 to 64.' }],
  options: jsonOptions,
  examples: [{ line: 'ndi-courier runs window 412a 2', does: 'gentler on a slow line' }],
  run: async (invocation, [run, units], { json }) =>
    withCourier(invocation, async (courier) => {
      const handle = await courier.attach(run);
      const before = await handle.setWindow(Number(units));
      return done(invocation, json, `Units in flight: ${units} (before: ${before})`, {
        workflowId: handle.workflowId,
        window: Number(units),
        before,
      });
    }),
});

export const command = defineCommand({
  name: 'runs',
  summary: 'List, watch and steer runs.',
  examples: [
    { line: 'ndi-courier runs list --open', does: 'what goes on now' },
    { line: 'ndi-courier runs watch 412a', does: 'the run with 412a in its id' },
  ],
  subcommands: [
    list,
    show,
    watch,
    steer('pause', 'Start no new units; those in flight end.', 'Paused', (handle) => handle.pause()),
    steer('resume', 'End a pause, or look again at what it waits for.', 'Resumed', (handle) =>
      handle.resume(),
    ),
    steer('cancel', 'Stop a run; starting it again goes on where it stopped.', 'Told to stop', (handle) =>
      handle.cancel(),
    ),
    window,
    steer('approve', 'Let a sync do what it waits for an approval of.', 'Approved', (handle) =>
      answerApproval(handle, true, userInfo().username),
    ),
    steer('reject', 'Let a sync end without what it waits for an approval of.', 'Rejected', (handle) =>
      answerApproval(handle, false, userInfo().username),
    ),
  ],
});
