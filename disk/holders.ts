/** Who has a file open or locked, as far as the operating system tells: on Linux, of processes of this user. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { realPath } from './real-path.ts';

export interface FileHolder {
  readonly pid: number;
  /** The name of the program, `MATLAB` or `python3`; empty when it cannot be read. */
  readonly command: string;
  readonly holdsLock: boolean;
}

/**
 * Other processes that have one of `paths` locked, then those that have one open. Empty where the system does
 * not tell, and when nobody is found. Opens none of them: closing a descriptor would drop the POSIX locks of
 * this process. Never throws.
 */
export function holdersOf(paths: readonly string[]): FileHolder[] {
  if (process.platform !== 'linux') return [];
  const inodes = new Set<string>();
  const names = new Set<string>();
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    inodes.add(String(stat.ino));
    names.add(realPath(path));
  }
  const locking = pidsWithLocks(inodes);
  const opening = pidsWithOpen(names);
  // A lock of the same inode number on another file system: its holder does not have this file open.
  const locked = [...locking].filter((pid) => opening.has(pid) || !canReadFilesOf(pid));
  const open = [...opening].filter((pid) => !locking.has(pid));
  return [
    ...locked.map((pid) => ({ pid, command: commandOf(pid), holdsLock: true })),
    ...open.map((pid) => ({ pid, command: commandOf(pid), holdsLock: false })),
  ];
}

/** proc_locks(5): `1: POSIX ADVISORY WRITE 1234 08:01:12345 0 EOF`; `->` marks those that wait. */
function pidsWithLocks(inodes: ReadonlySet<string>): Set<number> {
  const pids = new Set<number>();
  for (const line of textOf('/proc/locks').split('\n')) {
    const [, , , , owner = '', place = ''] = line.split(/\s+/);
    const pid = Number(owner);
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || line.includes('->')) continue;
    if (inodes.has(place.split(':')[2] ?? '')) pids.add(pid);
  }
  return pids;
}

function pidsWithOpen(names: ReadonlySet<string>): Set<number> {
  const pids = new Set<number>();
  for (const entry of namesIn('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const dir = `/proc/${entry}/fd`;
    if (namesIn(dir).some((fd) => names.has(linkOf(`${dir}/${fd}`)))) pids.add(Number(entry));
  }
  return pids;
}

const canReadFilesOf = (pid: number): boolean => namesIn(`/proc/${pid}/fd`).length > 0;

/** `comm` is the name of a thread: Node calls its first one MainThread. */
const commandOf = (pid: number): string =>
  basename(textOf(`/proc/${pid}/cmdline`).split('\0')[0] ?? '') || textOf(`/proc/${pid}/comm`).trim();

/** Processes end, and other people's cannot be looked into: neither is an error here. */
function tolerant<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const namesIn = (dir: string): string[] => tolerant(() => readdirSync(dir), []);
const textOf = (path: string): string => tolerant(() => readFileSync(path, 'utf8'), '');
const linkOf = (path: string): string => tolerant(() => readlinkSync(path), '');
