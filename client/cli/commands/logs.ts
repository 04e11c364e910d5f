/** `ndi-courier logs` */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { LogLine } from '../../../workers/log-lines.ts';
import { option } from '../../options.ts';
import { printable } from '../../view/format.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';

const FOLLOW_POLL_MS = 300;

const options = z
  .object({
    follow: option(z.boolean().default(false), { help: 'Go on printing new lines until Ctrl-C.' }),
    verbose: option(z.boolean().default(false), {
      help: 'Lines of every level and all their fields; the Temporal server’s own lines, too.',
    }),
    lines: option(z.coerce.number().int().min(0).default(200), {
      help: 'How many of the latest lines to print first.',
      value: 'N',
    }),
    json: option(z.boolean().default(false), { help: 'The lines as they stand in the files.' }),
  })
  .strict();

export const command = defineCommand({
  name: 'logs',
  summary: 'Print what the service and its workers wrote, in the order of time.',
  description:
    'Reads the log files in the state folder, also while nothing runs. With a run id, or a piece of one, only the ' +
    'lines that name it are printed. Without --verbose, warnings and errors of the Temporal server and lines of ' +
    'level info and above of the others are printed.',
  args: [{ name: '[run]', help: 'A run id or a piece of it.' }],
  options,
  examples: [
    { line: 'ndi-courier logs --follow', does: 'what happens now' },
    { line: 'ndi-courier logs upload/412694f6 --verbose', does: 'everything about one run' },
  ],
  run: async ({ env, out, signal }, [run], { follow, verbose, lines, json }) => {
    const [{ homeFromEnv }, { openLogs }] = await Promise.all([
      import('../../../workers/home.ts'),
      import('../../../workers/log-lines.ts'),
    ]);
    const logs = openLogs(homeFromEnv(env));
    const wanted = (line: LogLine): boolean =>
      (run === undefined || line.raw.includes(run)) && (verbose || isWorthReading(line));
    const print = (line: LogLine): void => out.print(json ? line.raw : logText(line, verbose));
    const before = logs.read().filter(wanted);
    for (const line of before.slice(Math.max(0, before.length - lines))) print(line);
    while (follow && !signal.aborted) {
      await sleep(FOLLOW_POLL_MS, undefined, { signal }).catch(() => {});
      for (const line of logs.read().filter(wanted)) print(line);
    }
    return EXIT.done;
  },
});

const isWorthReading = ({ source, level }: LogLine): boolean =>
  level === 'warn' || level === 'error' || (level === 'info' && source !== 'server');

/** Local time, level, writer, message; the run where the line names one. */
function logText({ timeMs, level, source, message, fields }: LogLine, verbose: boolean): string {
  const time = timeMs === undefined ? ' '.repeat(19) : localTime(new Date(timeMs));
  const run = typeof fields.workflowId === 'string' ? ` (${fields.workflowId})` : '';
  const rest = verbose && Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : run;
  return `${time} ${level.padEnd(5)} ${source.padEnd(10)} ${printable(message + rest)}`;
}

function localTime(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
