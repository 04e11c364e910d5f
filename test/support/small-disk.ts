/** Real small file systems, for tests of full disks. Only the superuser of a Linux machine can mount them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly dir: string;
  /** To the last block. */
  fill(): void;
  resize(size: string): void;
  unmount(): void;
}

const mount = (dir: string, options: string): void => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { stdio: 'pipe' });
};

/** Why no file system can be mounted here, or undefined. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return `mount -t tmpfs is not for ${process.platform}`;
  const dir = mkdtempSync(join(tmpdir(), 'courier-mount-'));
  try {
    mount(dir, 'size=1m');
    execFileSync('umount', [dir]);
    return undefined;
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error).trim();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** `size` as `mount` takes it: `4m`. The folder is made. */
export function mountSmallDisk(dir: string, size: string): SmallDisk {
  mkdirSync(dir);
  mount(dir, `size=${size}`);
  return {
    dir,
    fill: () => fill(dir),
    resize: (next) => {
      execFileSync('mount', ['-o', `remount,size=${next}`, dir]);
    },
    unmount: () => {
      execFileSync('umount', ['-l', dir]);
    },
  };
}

function fill(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  for (let left = bavail * bsize, n = 0; left > 0; n += 1) {
    try {
      writeFileSync(join(dir, `fill-${n}`), Buffer.alloc(Math.min(left, 1 << 20), 1));
      left -= 1 << 20;
    } catch {
      return;
    }
  }
}
