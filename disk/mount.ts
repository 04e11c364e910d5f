import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { realPath } from './real-path.ts';

/**
 * Whether a file system is mounted at the folder. On Linux also one that is bound there from the same disk.
 */
export function isMountPoint(dir: string): boolean {
  const path = realPath(dir);
  if (statSync(path).dev !== statSync(dirname(path)).dev) return true;
  if (process.platform !== 'linux') return false;
  try {
    // proc_pid_mountinfo(5): the fifth field, with blanks and line ends as octal numbers.
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const written = path.replace(
      /[ \t\n\\]/g,
      (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
    return lines.some((line) => line.split(' ')[4] === written);
  } catch {
    return false;
  }
}
