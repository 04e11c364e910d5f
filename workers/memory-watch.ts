/**
 * Watches how much memory worker processes take. One that takes too much is stopped in order and started
 * again, before the computer has none left for the lab's other programs; one that ended for want of memory is
 * named so.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { RunningProcess } from './keep-alive.ts';
import { isRunning, type ProcessRecord } from './processes.ts';

const MiB = 1024 * 1024;
const LOOK_EVERY_MS = 2_000;
/** Measured: 400 MiB for 80,000 documents or a file of 4 GB; hostile answers stay under 600 MiB. */
export const WORKER_MEMORY_BYTES = 1024 * MiB;

export interface WatchOptions {
  /** `Worker 1`. */
  readonly name: string;
  readonly limitBytes: number;
  /** Gets a sentence for people. */
  readonly tell: (sentence: string) => void;
}

/** Stops `running` when it takes more than the limit; whoever keeps it running starts it again. */
export function watchMemory(
  running: RunningProcess,
  record: ProcessRecord | undefined,
  { name, limitBytes, tell }: WatchOptions,
): RunningProcess {
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking || record === undefined || !isRunning(record)) return;
    isLooking = true;
    try {
      const bytes = await residentBytes(record.pid);
      if (bytes === undefined || bytes <= limitBytes) return;
      clearInterval(timer);
      const [took, limit] = [bytes, limitBytes].map((some) => Math.round(some / MiB));
      tell(`${name} took ${took} MiB of memory, more than ${limit} MiB, and is replaced. Its runs go on.`);
      await running.stop();
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  const exited = running.exited.then((how) => {
    clearInterval(timer);
    const why = REASONS[how];
    if (why !== undefined) tell(`${name} ${why}, and is started again. Its runs go on.`);
    return how;
  });
  return { exited, stop: () => running.stop() };
}

/**
 * By how a process ends: V8 aborts where its heap is full. A stop of ours ends with a code, and only an
 * overdue one with SIGKILL.
 */
const REASONS: Readonly<Record<string, string>> = {
  SIGABRT: 'ran out of memory',
  '134': 'ran out of memory',
  SIGKILL: 'was killed, by somebody or by the system for lack of memory',
};

/** Memory that a process has at this moment; undefined where the system does not tell. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  try {
    if (process.platform === 'linux') {
      const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return kib === undefined ? undefined : Number(kib) * 1024;
    }
    if (process.platform === 'win32') return undefined;
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
    return Number(stdout.trim()) * 1024 || undefined;
  } catch {
    return undefined;
  }
}
