/** Processes by identity, not by pid alone: a pid is re-used after a reboot or a long night. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** The record of a process by which it can be found, and not confused, later. */
export interface ProcessRecord {
  readonly pid: number;
  /** When it started, in the system's own words; two processes with the same pid differ in it. */
  readonly token: string;
}

const linuxBootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/**
 * Another one after each start of the machine. A clock that is set may change it, too, outside Linux: never
 * the other way.
 */
export function bootId(): string {
  if (process.platform === 'linux') return linuxBootId();
  return `since ${new Date(Math.round((Date.now() / 1000 - uptime()) / 10) * 10_000).toISOString()}`;
}

function linuxToken(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold spaces and brackets; the fields after it do not (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; it only waits for its parent, which in a container may never look. But its other
    // threads may still be on their way out, and until then its files and locks are held.
    if (fields[0] === 'X') return undefined;
    if (fields[0] === 'Z' && readdirSync(`/proc/${pid}/task`).length <= 1) return undefined;
    return `${linuxBootId()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

function psToken(pid: number): string | undefined {
  try {
    const out = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return out === '' || out.startsWith('Z') ? undefined : out.slice(out.indexOf(' ') + 1).trim();
  } catch {
    return undefined;
  }
}

function pidToken(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : undefined;
  }
}

/** The start token of a running process; `undefined` when there is none with this pid. */
export function processToken(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxToken(pid);
  return process.platform === 'win32' ? pidToken(pid) : psToken(pid);
}

/** A record of a running process, or `undefined` when it is already gone. */
export function recordOf(pid: number): ProcessRecord | undefined {
  const token = processToken(pid);
  return token === undefined ? undefined : { pid, token };
}

export const isRunning = (record: ProcessRecord): boolean => processToken(record.pid) === record.token;

/** Sends a signal to exactly this process; a process that has ended meanwhile is no error. */
export function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): void {
  if (!isRunning(record)) return;
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until the process is gone; `false` when it still runs after `timeoutMs`. */
export async function waitForExit(record: ProcessRecord, timeoutMs: number, pollMs = 25): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(record)) {
    if (performance.now() >= deadline) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Asks the process to stop (SIGTERM), and after `graceMs` makes it (SIGKILL). Returns when it is gone. */
export async function stopProcess(record: ProcessRecord, graceMs: number): Promise<void> {
  signalProcess(record, 'SIGTERM');
  if (await waitForExit(record, graceMs)) return;
  signalProcess(record, 'SIGKILL');
  await waitForExit(record, 10_000);
}
