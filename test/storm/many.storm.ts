/**
 * What `npm run test:storm` runs. Each storm is one line; the seeds that went wrong stand at the end, for
 * `corpus.json`.
 */
import { describe, expect, it } from 'vitest';
import type { StormReport } from './in-process.ts';
import { stormsInLabs, stormsWithProcesses } from './labs.ts';

const { STORM_SEEDS = '1000', STORM_FROM = '1', STORM_LABS = '5', STORM_PROCESSES } = process.env;
const seeds = Array.from({ length: Number(STORM_SEEDS) }, (_, index) => Number(STORM_FROM) + index);

describe('storms', () => {
  it('end with everything on the other side, once', async () => {
    const wrong: Record<number, readonly string[]> = {};
    let seconds = 0;
    const startedMs = performance.now();
    const storms = STORM_PROCESSES === 'true' ? stormsWithProcesses : stormsInLabs;
    await storms(Number(STORM_LABS), seeds, (report: StormReport) => {
      seconds = Math.max(seconds, report.seconds);
      console.log(`seed ${report.seed}: ${report.seconds} s ${report.findings.join('; ') || 'right'}`);
      if (report.findings.length > 0) wrong[report.seed] = report.findings;
    });
    const each = (performance.now() - startedMs) / 1000 / seeds.length;
    console.log(`${seeds.length} storms, ${each.toFixed(2)} s each, the longest ${seconds} s`);
    expect(wrong).toEqual({});
  });
});
