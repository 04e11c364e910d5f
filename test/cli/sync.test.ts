/** A sync from the command line: look, do, decide, bring back, and what is refused. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../ndi/document/types.ts';
import { fingerprint } from '../fixtures/dataset.ts';
import {
  type CloudSide,
  cloudSide,
  copyOf,
  documentsHere,
  nameOf,
  ofClass,
  renamed,
  writeHere,
} from '../support/sync-sides.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
let dir: string;
let cloud: CloudSide;
beforeAll(async () => {
  cli = await createHarness();
  dir = await cli.dataset({ documents: 60, files: 2, fileBytes: 2_000 });
  const up = await cli.run(['upload', dir, '--new', 'Synced', '--json']);
  expect(up.code, up.stderr).toBe(0);
  cloud = cloudSide({ env: cli.env, homeDir: cli.env.COURIER_HOME! }, () => up.json().datasetId);
});
afterAll(async () => {
  await cloud?.client.close();
  await cli?.close();
});

const subjects = (): [[string, JsonObject], [string, JsonObject]] =>
  ofClass(documentsHere(dir), 'subject') as [[string, JsonObject], [string, JsonObject]];

const run = (...args: string[]) => cli.run(args);

describe('sync', () => {
  it('is looked at, done, and then has nothing to do', async () => {
    expect((await run('sync', dir, '--json')).json()).toMatchObject({ status: 'done', mode: 'two-way' });
    expect((await run('diff', dir)).code).toBe(0);
    const [[, a], [, b]] = subjects();
    writeHere(dir, [renamed(a, 'edited here'), copyOf(a, 'new here')]);
    await cloud.write(renamed(b, 'edited there'));
    const look = await run('diff', dir);
    expect(look.code).toBe(3);
    for (const line of ['1 new here', '1 changed here', '1 changed in the cloud', 'edited here'])
      expect(look.stdout).toContain(line);
    const planned = await run('sync', dir, '--dry-run', '--json');
    expect(planned.code, planned.stderr).toBe(0);
    expect(planned.json()).toMatchObject({
      status: 'planned',
      documents: { uploaded: 1, updatedCloud: 1, updatedLocal: 1 },
    });
    const done = await run('sync', dir);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain('The sync is done: both sides are as they should be.');
    expect(done.stdout).toMatch(
      /documents +1 uploaded, 1 updated in the cloud, 1 updated here, \d+ unchanged/,
    );
    const idle = await run('sync', dir, '--mode', 'TwoWaySync', '--json');
    expect(idle.json()).toMatchObject({ status: 'done', mode: 'two-way', bytes: 0, baseLost: null });
  });

  it('leaves a conflict in the inbox, shows whose copy says what, and carries a decision out', async () => {
    const [[id, document]] = subjects();
    writeHere(dir, [renamed(document, 'mine')]);
    await cloud.write(renamed(document, 'theirs'));
    const left = await run('sync', dir);
    expect(left.code).toBe(3);
    expect(left.stdout).toContain('The sync is done, and left 1 conflict.');
    const list = await run('conflicts', 'list', dir, '--json');
    const [conflict] = list.json().conflicts;
    expect(conflict).toMatchObject({ ndiId: id, kind: 'edit-edit', className: 'subject' });
    for (const key of ['local', 'cloud', 'base']) expect(conflict[key]).toMatch(/^[0-9a-f]{64}$/);
    const shown = await run('conflicts', 'show', dir, conflict.conflict);
    expect(shown.stdout).toContain('base.name');
    expect(shown.stdout).toContain('"mine"');
    expect(shown.stdout).toContain('"theirs"');

    const unknown = await run('conflicts', 'resolve', dir, 'nonsense', '--take', 'local');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('NDI_E_NO_CONFLICT');
    expect((await run('conflicts', 'resolve', dir, '--take', 'local')).code).toBe(2);

    const resolved = await run('conflicts', 'resolve', dir, conflict.conflict, '--take', 'cloud', '--json');
    expect(resolved.code, resolved.stderr).toBe(0);
    expect(nameOf(documentsHere(dir).get(id))).toBe('theirs');
    expect((await run('conflicts', 'list', dir)).stdout).toContain('There are no conflicts.');
    const trash = (await run('trash', 'list', dir, '--json')).json().entries;
    expect(trash[0]).toMatchObject({ ndiId: id, side: 'local', why: 'overwritten' });
    expect(trash[0]).not.toHaveProperty('body');
  });

  it('waits for an approval over the cap, is approved by name, and the trash gives back what went', async () => {
    const copies = [1, 2].map((n) => copyOf(subjects()[0][1], `copy ${n}`));
    writeHere(dir, copies);
    await run('sync', dir, '--json');
    const ids = copies.map((copy) => (copy.base as { id: string }).id);
    writeHere(dir, [], ids);
    const waiting = await run('sync', dir, '--deletes', '--max-delete', '1', '--json');
    expect(waiting.code).toBe(4);
    expect(waiting.json()).toMatchObject({ status: 'waiting', waitingFor: { code: 'NDI_E_NEEDS_APPROVAL' } });
    const { workflowId } = waiting.json();
    expect((await run('runs', 'approve', workflowId)).code).toBe(0);
    const end = await run('runs', 'watch', workflowId, '--json');
    expect(end.json()).toMatchObject({ status: 'done', documents: { deletedCloud: 2 } });
    expect((await run('runs', 'approve', workflowId)).stderr).toContain('NDI_E_NOT_WAITING');

    const entries = (await run('trash', 'list', dir, '--json')).json().entries;
    const entry = entries.find((one: { ndiId: string; side: string }) => one.ndiId === ids[0]);
    const back = await run('trash', 'restore', dir, entry.name, '--json');
    expect(back.json()).toMatchObject({
      ndiId: ids[0],
      side: 'cloud',
      cloudId: expect.any(String),
      outcome: 'done',
    });
    expect((await run('sync', dir, '--deletes', '--json')).json()).toMatchObject({
      documents: { downloaded: 1, deletedCloud: 0 },
    });
    expect(documentsHere(dir).has(ids[0]!)).toBe(true);
  });

  it('makes room for a newer sync when nobody answers', async () => {
    const copy = copyOf(subjects()[0][1], 'unanswered');
    writeHere(dir, [copy]);
    await run('sync', dir);
    writeHere(dir, [], [(copy.base as { id: string }).id]);
    const before = await run('sync', dir, '--deletes', '--max-delete', '0', '--json');
    expect(before.code).toBe(4);
    const after = await run('sync', dir, '--json');
    expect(after.json()).toMatchObject({ status: 'done', listed: { deletedHere: 1 } });
    expect(after.json().runId).not.toBe(before.json().runId);
  });

  it('writes a plan that is shown and applied', async () => {
    writeHere(dir, [renamed(subjects()[0][1], 'by a plan')]);
    const file = cli.path('plan.json');
    expect((await run('sync', dir, '--dry-run', '--plan', file)).code).toBe(0);
    const shown = await run('plan', 'show', file);
    expect(shown.stdout).toMatch(/update-cloud +changed-here +document +by a plan/);
    const applied = await run('plan', 'apply', file, '--json');
    expect(applied.json(), applied.stderr).toMatchObject({ status: 'done', documents: { updatedCloud: 1 } });
    const again = await run('plan', 'apply', file);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('NDI_E_PLAN_MOVED');
    writeFileSync(file, readFileSync(file, 'utf8').replace('changed-here', 'changed-there'));
    expect((await run('plan', 'apply', file)).stderr).toContain('NDI_E_PLAN_FILE');
  });
});

describe('what a sync refuses', () => {
  it.each([
    [['--mode', 'sideways'], 'There is no mode "sideways". The modes are two-way'],
    [['--conflicts', 'coin'], 'There is no policy "coin"'],
    [['--policy', 'subject'], 'is not CLASS=POLICY'],
    [['--max-delete', 'many'], 'is no limit of deletions'],
    [['--include', 'colour=red'], 'is no rule'],
  ])('%j, with a sentence and exit 2', async (args, sentence) => {
    const before = fingerprint(join(dir, '.ndi', 'files'));
    const { code, stderr } = await run('sync', dir, ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
    expect(fingerprint(join(dir, '.ndi', 'files'))).toEqual(before);
  });

  it('a dataset without a link, a plan that is none, a folder that is no dataset', async () => {
    const alone = await cli.dataset({ documents: 30, files: 0 });
    expect((await run('sync', alone)).stderr).toContain('NDI_E_NOT_LINKED');
    const file = cli.path('no-plan.json');
    writeFileSync(file, '{"version":1}');
    expect((await run('plan', 'apply', file)).stderr).toContain('NDI_E_PLAN_FILE');
    expect((await run('plan', 'show', cli.path('none.json'))).stderr).toContain('NDI_E_PLAN_FILE');
    expect((await run('sync', cli.path('nowhere'))).stderr).toContain('NDI_E_NOT_A_DATASET');
    expect((await run('trash', 'restore', dir, 'x:1')).stderr).toContain('NDI_E_NOT_FOUND');
    rmSync(file);
  });
});
