/** Schedules from the command line, on the real Temporal server: set, looked at, run, and what is refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDays } from '../../client/schedule-times.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
let dir: string;
beforeAll(async () => {
  cli = await createHarness();
  dir = await cli.dataset({ documents: 40, files: 0 });
  const up = await cli.run(['upload', dir, '--new', 'Nights', '--json']);
  expect(up.code, up.stderr).toBe(0);
});
afterAll(() => cli?.close());

const run = (...args: string[]) => cli.run(['schedule', ...args]);

describe('a schedule', () => {
  it('is set, says when the next night is, and whether the last one was right', async () => {
    const set = await run(
      'set',
      dir,
      '--at',
      '02:00',
      '--days',
      'mon-fri',
      '--timezone',
      'Europe/Berlin',
      '--jitter',
      '15m',
      '--json',
    );
    expect(set.code, set.stderr).toBe(0);
    expect(set.json()).toMatchObject({ directory: dir, paused: false, lastStatus: null });
    expect(Date.parse(set.json().nextAt)).toBeGreaterThan(Date.now());
    expect((await run('list')).stdout).toContain('no night yet');
    expect((await run('run-now', dir)).code).toBe(0);
    const last = async () => (await run('list', '--json')).json().schedules[0];
    while ((await last()).lastStatus === null) await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await last()).toMatchObject({ directory: dir, lastStatus: 'done', badInARow: 0 });
    expect((await run('list')).stdout).toMatch(/right/);
    expect((await run('show', dir)).stdout).toContain('02:00 mon-fri, Europe/Berlin');
  });

  it('is paused and goes on, is replaced by another one, and is removed', async () => {
    await run('pause', dir);
    expect((await run('show', dir, '--json')).json()).toMatchObject({ paused: true, nextAt: null });
    await run('resume', dir);
    const again = await run('set', dir, '--at', '23:30', '--timezone', 'UTC', '--json');
    expect(again.json()).toMatchObject({ at: '23:30', paused: false, days: 'daily' });
    expect((await run('list', '--json')).json().schedules).toHaveLength(1);
    expect((await run('remove', dir)).code).toBe(0);
    expect((await run('show', dir)).stderr).toContain('NDI_E_NO_SCHEDULE');
    expect((await run('list')).stdout).toContain('There are no schedules.');
  });

  it('has a night on each day of a change to and from summer time', async () => {
    await run('set', dir, '--at', '01:30', '--timezone', 'Europe/Berlin');
    const state = (await cli.run(['status', '--json'])).json();
    const connection = await Connection.connect({ address: state.temporalAddress });
    try {
      const { schedules } = await connection.workflowService.listSchedules({ namespace: state.namespace });
      for (const [from, days] of [
        ['2027-03-27', 3],
        ['2027-10-30', 3],
      ] as const) {
        const startMs = Date.parse(`${from}T00:00:00Z`) - 2 * 3_600_000;
        const { startTime } = await connection.workflowService.listScheduleMatchingTimes({
          namespace: state.namespace,
          scheduleId: schedules[0]!.scheduleId!,
          startTime: { seconds: (startMs / 1_000) as never },
          endTime: { seconds: ((startMs + days * 86_400_000) / 1_000) as never },
        });
        const local = startTime.map(({ seconds }) =>
          new Date(Number(seconds) * 1_000).toLocaleString('sv-SE', { timeZone: 'Europe/Berlin' }),
        );
        const nightsOf = Array.from({ length: days }, (_, day) =>
          new Date(Date.parse(`${from}T12:00:00Z`) + day * 86_400_000).toISOString().slice(0, 10),
        );
        expect(local).toEqual(expect.arrayContaining(nightsOf.map((day) => `${day} 01:30:00`)));
      }
    } finally {
      await connection.close();
    }
  });

  it('of config.json is set when the service starts, and goes when it is taken out', async () => {
    await run('remove', dir);
    const config = join(cli.env.COURIER_HOME!, 'config.json');
    writeFileSync(config, JSON.stringify({ schedules: { ferret: { dir, at: '03:15', timezone: 'UTC' } } }));
    expect((await cli.run(['up'])).stderr).toContain('03:15 daily UTC');
    expect((await run('list', '--json')).json().schedules).toMatchObject([{ directory: dir, at: '03:15' }]);
    writeFileSync(config, '{"schedules":{}}');
    await cli.run(['up']);
    expect((await run('list', '--json')).json().schedules).toEqual([]);
  });

  it.each([
    [['--at', '25:00'], '"25:00" is no time of day'],
    [['--at', '02:00', '--days', 'someday'], '"someday" is no day'],
    [['--at', '02:00', '--timezone', 'Mars/Olympus'], 'is no time zone'],
    [['--at', '02:00', '--jitter', 'soon'], '--jitter: "soon" is no span of time'],
    [['--at', '02:00', '--blackout', '08:00-08:00'], 'would leave no hour'],
    [['--at', '02:00', '--mode', 'sideways'], 'There is no mode'],
    [[], '--at: must be given'],
  ])('%j is refused with a sentence, and nothing is set', async (args, sentence) => {
    const { code, stderr } = await run('set', dir, ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
    expect((await run('list', '--json')).json().schedules).toEqual([]);
  });
});

describe('days', () => {
  it('are ranges, lists, and may pass the end of the week', () => {
    expect(parseDays('sat-mon')).toEqual(['SUNDAY', 'MONDAY', 'SATURDAY']);
    expect(parseDays('mon,wed')).toEqual(['MONDAY', 'WEDNESDAY']);
    expect(parseDays('daily')).toHaveLength(7);
  });
});
