/**
 * All commands, in the order of the help. Only a name and a sentence each: the command itself is loaded when
 * it is asked for, so `--help` and `--version` answer at once.
 */
import type { Command } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  load(): Promise<Command>;
}

const TRANSFER = 'Move datasets';
const SERVICE = 'The background service';
const ACCOUNT = 'NDI Cloud';
const HELP = 'When in doubt';

export const COMMANDS: readonly CommandEntry[] = [
  entry(TRANSFER, 'upload', 'Bring a dataset folder into NDI Cloud.', () => import('./commands/upload.ts')),
  entry(
    TRANSFER,
    'download',
    'Make a dataset folder out of a cloud dataset.',
    () => import('./commands/download.ts'),
  ),
  entry(
    TRANSFER,
    'sync',
    'Bring a dataset folder and its cloud dataset to the same state.',
    () => import('./commands/sync.ts'),
  ),
  entry(
    TRANSFER,
    'diff',
    'Say what is new, changed, deleted and equal on either side, and do nothing.',
    () => import('./commands/diff.ts'),
  ),
  entry(
    TRANSFER,
    'plan',
    'Look at the plan of a sync, and carry it out.',
    () => import('./commands/plan.ts'),
  ),
  entry(
    TRANSFER,
    'conflicts',
    'See and decide what both sides changed.',
    () => import('./commands/conflicts.ts'),
  ),
  entry(
    TRANSFER,
    'schedule',
    'Sync datasets every night, and see whether the nights went right.',
    () => import('./commands/schedule.ts'),
  ),
  entry(
    TRANSFER,
    'trash',
    'See and bring back what syncs overwrote or deleted.',
    () => import('./commands/trash.ts'),
  ),
  entry(
    TRANSFER,
    'files',
    'See, fetch and let go of the binaries of a dataset that is here.',
    () => import('./commands/files.ts'),
  ),
  entry(
    TRANSFER,
    'dataset',
    'Look into a dataset folder: what it is, its documents, its link to the cloud.',
    () => import('./commands/dataset.ts'),
  ),
  entry(TRANSFER, 'runs', 'List, watch and steer runs.', () => import('./commands/runs.ts')),
  entry(SERVICE, 'up', 'Start the service in the background.', () => import('./commands/up.ts')),
  entry(SERVICE, 'down', 'Stop the service; runs go on when it is back.', () => import('./commands/down.ts')),
  entry(SERVICE, 'status', 'Say what is running and where to look.', () => import('./commands/status.ts')),
  entry(
    SERVICE,
    'logs',
    'Print what the service and its workers wrote, in the order of time.',
    () => import('./commands/logs.ts'),
  ),
  entry(
    SERVICE,
    'bwlimit',
    'Show or change how fast transfers may go.',
    () => import('./commands/bwlimit.ts'),
  ),
  entry(
    SERVICE,
    'clean',
    'Remove old plans, listings, reports and logs.',
    () => import('./commands/clean.ts'),
  ),
  entry(
    SERVICE,
    'service',
    'Start the service with this computer, or no longer.',
    () => import('./commands/service.ts'),
  ),
  entry(
    SERVICE,
    'codec',
    'Decode a private service’s payloads for Temporal’s Web UI.',
    () => import('./commands/codec.ts'),
  ),
  entry(SERVICE, 'dev', 'Run the service in this terminal.', () => import('./commands/dev.ts')),
  entry(
    SERVICE,
    'worker',
    'Run workers for a Temporal server elsewhere.',
    () => import('./commands/worker.ts'),
  ),
  entry(
    ACCOUNT,
    'login',
    'Log in to NDI Cloud; runs that wait for it go on.',
    () => import('./commands/login.ts'),
  ),
  entry(ACCOUNT, 'logout', 'Forget a login.', () => import('./commands/logout.ts')),
  entry(ACCOUNT, 'whoami', 'Say who is logged in.', () => import('./commands/whoami.ts')),
  entry(ACCOUNT, 'profile', 'Keep several cloud accounts apart.', () => import('./commands/profile.ts')),
  entry(ACCOUNT, 'cloud', 'The raw NDI Cloud API.', () => import('./commands/cloud.ts')),
  entry(
    HELP,
    'doctor',
    'Check this computer, the service and the login.',
    () => import('./commands/doctor.ts'),
  ),
  entry(
    HELP,
    'demo',
    'See it work: upload, kill, go on, download, compare.',
    () => import('./commands/demo.ts'),
  ),
  entry(
    HELP,
    'completion',
    'Print a script that completes commands and options in a shell.',
    () => import('./commands/completion.ts'),
  ),
  entry(HELP, 'sandbox', 'Run a local NDI Cloud to try things on.', () => import('./commands/sandbox.ts')),
];

function entry(
  group: string,
  name: string,
  summary: string,
  load: () => Promise<{ readonly command: Command }>,
): CommandEntry {
  return { name, summary, group, load: async () => (await load()).command };
}
