import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import {
  buildDirOf,
  isCompleting,
  makeBuildDir,
  markCompleting,
  pathInTarget,
  unmarkCompleting,
} from './build-dir.ts';

const input = (targetDir: string): DownloadInput =>
  ({ targetDir, cloudDatasetId: 'a'.repeat(24), mode: 'local' }) as DownloadInput;

it('makes the building folder beside the target, with its parents, as often as it is asked', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'courier-places-'));
  const wanted = input(join(dir, 'deep', 'down', 'target'));
  const made = buildDirOf(wanted);
  expect(await makeBuildDir(wanted)).toBe(true);
  expect(await makeBuildDir(wanted)).toBe(false);
  expect(statSync(made).isDirectory()).toBe(true);
  expect(pathInTarget(wanted, join(made, '.ndi', 'x'))).toBe(join(wanted.targetDir, '.ndi', 'x'));
  expect(pathInTarget(wanted, '/elsewhere/x')).toBe('/elsewhere/x');
  rmSync(dir, { recursive: true });
});

it('a target is completed by the download whose mark it has, and by no other', () => {
  const dir = mkdtempSync(join(tmpdir(), 'courier-places-'));
  mkdirSync(join(dir, '.ndi', 'courier'), { recursive: true });
  const mine = input(dir);
  markCompleting(mine);
  expect(buildDirOf(mine)).toBe(dir);
  for (const other of [
    { ...mine, cloudDatasetId: 'b'.repeat(24) },
    { ...mine, mode: 'hybrid' as const },
  ]) {
    expect(isCompleting(other)).toBe(false);
    expect(buildDirOf(other)).not.toBe(dir);
  }
  unmarkCompleting(mine);
  expect(buildDirOf(mine)).not.toBe(dir);
  rmSync(dir, { recursive: true });
});

it.runIf(process.platform === 'linux')('refuses a place where nothing can be made, and returns', async () => {
  for (const target of ['/proc/target', '/proc/deep/down/target']) {
    await expect(makeBuildDir(input(target))).rejects.toMatchObject({ code: 'NDI_E_READ_ONLY' });
  }
});
