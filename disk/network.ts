/** Network file systems: SQLite's locks cannot be trusted on them. */
import { statfsSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * Magic numbers of statfs(2) on Linux. FUSE is among them because most of what labs mount by it (sshfs,
 * rclone) is remote.
 */
const NETWORK_TYPES = new Set([
  0x6969, // nfs
  0x517b, // smb
  0xff534d42, // cifs
  0xfe534d42, // smb2
  0x65735546, // fuse
  0x01021997, // 9p
  0x5346414f, // afs
  0x00c36400, // ceph
  0x0bd00bd0, // lustre
  0x47504653, // gpfs
  0x786f4256, // vboxsf
]);

/**
 * Whether `dir` is on a network file system, as far as the operating system tells; false when it does not.
 */
export function isNetworkFileSystem(dir: string): boolean {
  if (process.platform === 'win32') return resolve(dir).startsWith('\\\\');
  // Elsewhere the numbers mean something else from one system version to the next.
  if (process.platform !== 'linux') return false;
  try {
    // The kernel's number is signed on some machines.
    return NETWORK_TYPES.has(statfsSync(dir).type >>> 0);
  } catch {
    return false;
  }
}
