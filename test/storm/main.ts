/**
 * `npm run test:storm -- --seeds N --from S [--labs N] [--processes]`: storms by seed, in one process or with
 * real ones that are killed.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    labs: { type: 'string', default: '5' },
    processes: { type: 'boolean', default: false },
  },
});
const { processes, ...numbers } = values;
for (const [name, value] of Object.entries(numbers)) {
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${name} takes a number from 1 on, not ${value}.`);
}
const { status } = spawnSync('vitest', ['run', '--config', 'vitest.storm.config.ts'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    STORM_SEEDS: values.seeds,
    STORM_FROM: values.from,
    STORM_LABS: values.labs,
    STORM_PROCESSES: String(processes),
  },
});
process.exitCode = status ?? 1;
