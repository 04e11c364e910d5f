/** Nights: what a schedule starts, how they add up, whom they meet, and whom they tell. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nextRecord } from '../../activities/night/record.ts';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import { openLedger } from '../../ledger/open.ts';
import type { JsonObject } from '../../ndi/document/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { NightInput, NightRecord, NightResult, NightStatus } from '../../workflows/contracts/index.ts';
import { blackoutMs } from '../../workflows/nightly-sync.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import {
  type CloudSide,
  cloudSide,
  copyOf,
  documentsHere,
  ledgerOf,
  nameOf,
  ofClass,
  renamed,
  writeHere,
} from '../support/sync-sides.ts';

let lab: Lab;
let dir: string;
let cloud: CloudSide;
let hook: Server;
let alerts: { alert: string; text: string; record: NightRecord }[] = [];
let answerOfHook = 200;
let nights = 0;

beforeAll(async () => {
  hook = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString();
    });
    request.on('end', () => {
      if (answerOfHook === 200) alerts.push(JSON.parse(body));
      response.writeHead(answerOfHook).end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const { port } = hook.address() as AddressInfo;
  lab = await createLab({ env: { COURIER_ALERT_WEBHOOK: `http://127.0.0.1:${port}/secret-path` } });
  mkdirSync(lab.homeDir, { recursive: true });
  writeFileSync(join(lab.homeDir, 'config.json'), JSON.stringify({ alerts: { after: 2 } }));
  dir = join(lab.dir, 'dataset');
  await makeDataset(dir, { documents: 40, files: 2, fileBytes: 1_000, seed: 3 });
  const { datasetId } = await lab.upload(dir);
  cloud = cloudSide(lab, () => datasetId);
});
afterAll(async () => {
  await cloud.client.close();
  await lab.close();
  hook.close();
});
beforeEach(() => {
  alerts = [];
});
afterEach(() => lab.sandbox.faults.clear());

const cloudOutOfOrder = (): void => {
  lab.sandbox.faults.set({ route: '*', kind: '5xx' });
};

async function startNight(more: Partial<NightInput> = {}) {
  nights += 1;
  const sync = lab.syncInput(dir, more.sync);
  const input: NightInput = {
    site: lab.site,
    cloud: sync.cloud,
    tuning: TEST_TUNING,
    timezone: 'Europe/Berlin',
    blackout: null,
    fullOn: null,
    patienceMs: 20_000,
    ...more,
    sync,
  };
  return lab.client.workflow.start('nightlySync', {
    args: [input],
    taskQueue: lab.queue,
    workflowId: `night/${sync.ndiDatasetId}@${lab.site}-${nights}`,
  });
}

const night = async (more: Partial<NightInput> = {}): Promise<NightResult> =>
  (await startNight(more)).result();

const recorded = (): NightRecord | undefined => {
  const ledger = openLedger(ledgerOf(dir));
  try {
    return ledger.facts.get(DATASET_FACTS.nights);
  } finally {
    ledger.close();
  }
};

const subject = (): [string, JsonObject] => ofClass(documentsHere(dir), 'subject')[0]!;

describe('a night', () => {
  it('syncs, is recorded as right, and tells nobody', async () => {
    writeHere(dir, [copyOf(subject()[1], 'made by day')]);
    expect(await night()).toMatchObject({ status: 'done', night: { status: 'done', sentence: '' } });
    expect([...(await cloud.documents()).values()].map(nameOf)).toContain('made by day');
    expect(recorded()).toMatchObject({ lastStatus: 'done', badInARow: 0, alerted: false });
    expect(alerts).toEqual([]);
  });

  it('with a conflict is right, and the conflict waits in its inbox', async () => {
    const [, document] = subject();
    writeHere(dir, [renamed(document, 'mine')]);
    await cloud.write(renamed(document, 'theirs'));
    expect(await night()).toMatchObject({ night: { status: 'done-with-leftovers', conflicts: 1 } });
    await lab.sync(dir, { conflicts: { default: 'local', byClass: {} } });
    expect(alerts).toEqual([]);
  });

  it('takes the place of a sync that only waits for an approval', async () => {
    const copy = copyOf(subject()[1], 'to go');
    writeHere(dir, [copy]);
    await lab.sync(dir);
    writeHere(dir, [], [(copy.base as { id: string }).id]);
    const asking = { deletes: true, maxDelete: { documents: 0 } } as const;
    const waiting = await lab.startSync(lab.syncInput(dir, asking));
    await lab.until(waiting, ({ waitingFor }) => waitingFor !== null);
    expect(await night()).toMatchObject({ night: { status: 'done' } });
    expect(await waiting.result()).toMatchObject({ status: 'done-with-leftovers', notApproved: 1 });
  });

  it('waits for a sync that is at work, and then syncs itself', async () => {
    cloudOutOfOrder();
    const running = await lab.startSync(lab.syncInput(dir));
    const later = await startNight();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    lab.sandbox.faults.clear();
    expect(await running.result()).toMatchObject({ status: 'done' });
    expect(await later.result()).toMatchObject({ night: { status: 'done' } });
  });

  it('that a sync outlasts counts as waiting, and the sync goes on alone', async () => {
    cloudOutOfOrder();
    const late = await night({ patienceMs: 2_000 });
    expect(late).toMatchObject({ night: { status: 'waiting' } });
    lab.sandbox.faults.clear();
    const sync = lab.client.workflow.getHandle(late.night.syncWorkflowId);
    expect(await sync.result()).toMatchObject({ status: 'done' });
    expect(recorded()).toMatchObject({ lastStatus: 'waiting', badInARow: 1 });
    await night();
  });
});

describe('bad nights', () => {
  const gone = { sync: { rules: { include: [], exclude: [] }, planPath: '/nowhere/plan.json' } } as never;

  it('make one alert with the next step, after two of them, and one when it is well again', async () => {
    for (const badInARow of [1, 2, 3]) {
      expect(await night(gone)).toMatchObject({ night: { status: 'failed' } });
      expect(recorded()).toMatchObject({ lastStatus: 'failed', badInARow });
    }
    expect(alerts).toMatchObject([{ alert: 'bad-nights', record: { badInARow: 2 } }]);
    expect(alerts[0]!.text).toContain('The last 2 nights did not end well. This is not a plan');
    expect(alerts[0]!.text).toContain('Next step: Make it anew');
    await night();
    await night();
    expect(alerts.map(({ alert }) => alert)).toEqual(['bad-nights', 'well-again']);
  });

  it('are told of when the hook is back, and its address is in no history', async () => {
    await night(gone);
    answerOfHook = 503;
    const handle = await startNight(gone);
    const trouble = async () => {
      const { raw } = await handle.describe();
      return (
        raw.pendingActivities?.some(({ lastFailure }) => lastFailure?.message?.includes('alert')) === true
      );
    };
    while (!(await trouble())) await new Promise((resolve) => setTimeout(resolve, 100));
    answerOfHook = 200;
    await handle.result();
    expect(alerts).toHaveLength(1);
    expect(JSON.stringify(await handle.fetchHistory())).not.toContain('secret-path');
    await night();
  });

  it('add up: for any nights, each row of bad ones that is long enough makes one alert, and one when it ends', () => {
    const status = fc.constantFrom<NightStatus>('done', 'done-with-leftovers', 'waiting', 'failed');
    fc.assert(
      fc.property(fc.array(status, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (all, after) => {
        let record: NightRecord | undefined;
        const sent: string[] = [];
        let row = 0;
        let expected: string[] = [];
        for (const one of all) {
          const outcome = {
            status: one,
            syncWorkflowId: '',
            sentence: '',
            nextStep: '',
            reportPath: '',
            conflicts: 0,
            problemCount: 0,
          };
          const next = nextRecord(record, outcome, { after }, 'now');
          if (next.alert !== undefined) sent.push(next.alert);
          record = next.record;
          const isBad = one === 'waiting' || one === 'failed';
          if (!isBad && row >= after) expected = [...expected, 'well-again'];
          row = isBad ? row + 1 : 0;
          if (row === after) expected = [...expected, 'bad-nights'];
          expect(record.badInARow).toBe(row);
        }
        expect(sent).toEqual(expected);
      }),
    );
  });
});

describe('blackout hours', () => {
  const blackout = { fromMinute: 22 * 60, toMinute: 6 * 60 };
  it.each([
    ['2026-11-27T20:59:00+01:00', 0],
    ['2026-11-27T22:00:00+01:00', 480],
    ['2026-11-28T05:30:00+01:00', 30],
    ['2026-11-28T06:00:00+01:00', 0],
  ])('at %s a night waits %i minutes, in the zone of the schedule', (at, minutes) => {
    expect(blackoutMs({ blackout, timezone: 'Europe/Berlin' }, Date.parse(at))).toBe(minutes * 60_000);
  });
});
