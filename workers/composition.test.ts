import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowClient } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { composeSite } from './composition.ts';
import { ensureHome, homeAt } from './home.ts';

describe('what the steps of a host work with', () => {
  it('clears the scratch folders of processes that are gone, and of nobody else', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'courier-composition-'));
    const home = ensureHome(homeAt(dir));
    const gone = String(spawnSync(process.execPath, ['-e', '']).pid);
    const alive = String(process.ppid);
    for (const pid of [gone, alive]) mkdirSync(join(dir, 'scratch', pid), { recursive: true });
    // Nothing is asked of the server here.
    const { deps, close } = composeSite({
      home,
      env: {},
      workflows: undefined as unknown as WorkflowClient,
      holder: 'here',
    });
    expect(existsSync(join(dir, 'scratch', gone))).toBe(false);
    expect(existsSync(join(dir, 'scratch', alive))).toBe(true);
    expect(existsSync(deps.scratchDir)).toBe(true);
    await close();
    expect(existsSync(deps.scratchDir)).toBe(false);
    rmSync(dir, { recursive: true });
  });
});
