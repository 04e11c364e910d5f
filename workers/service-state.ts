/**
 * `service.json`: what runs now on this state folder, for whoever asks, and for the one who cleans up after a
 * crash.
 */
import { readFileSync } from 'node:fs';
import { writeAtomically } from '../disk/write.ts';
import type { Home } from './home.ts';
import { isRunning, type ProcessRecord } from './processes.ts';

export interface ServiceFile {
  readonly state: 'starting' | 'running' | 'stopping' | 'stopped';
  readonly version: string;
  /** ISO time. */
  readonly startedAt: string;
  /** `host:port`; null until the server is up. Kept when stopped, so that the ports stay the same. */
  readonly temporalAddress: string | null;
  readonly namespace: string | null;
  readonly uiUrl: string | null;
  readonly supervisorPid: number;
  /** Null when the server is elsewhere. */
  readonly serverPid: number | null;
  readonly workerPids: readonly number[];
  readonly supervisor: ProcessRecord;
  readonly workers: readonly ProcessRecord[];
  /**
   * The last thing that the supervisor has to say of a worker, for people. Absent when all went well since
   * the start.
   */
  readonly notice?: { readonly at: string; readonly sentence: string } | undefined;
}

/** The contents of the file; `undefined` when there is none, or none that can be read. */
export function readServiceFile(home: Home): ServiceFile | undefined {
  try {
    const file = JSON.parse(readFileSync(home.serviceFile, 'utf8')) as ServiceFile;
    return typeof file.supervisor?.pid === 'number' && Array.isArray(file.workers) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Atomic: a reader sees the old file or the new one. */
export function writeServiceFile(home: Home, file: ServiceFile): void {
  writeAtomically(home.serviceFile, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
}

/** Whether the supervisor that wrote the file is alive: after SIGKILL or a reboot the file stays behind. */
export const isCurrent = (file: ServiceFile): boolean =>
  file.state !== 'stopped' && isRunning(file.supervisor);
