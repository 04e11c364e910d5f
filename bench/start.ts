/**
 * Start of a command, against bare Node.js in turns: `npm run build && node bench/start.ts [--rounds N]`. Of
 * the built package, without a service, in a state folder of its own. Aim: 0.4 s.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const main = join(import.meta.dirname, '..', 'dist', 'client', 'cli', 'main.js');
const home = mkdtempSync(join(tmpdir(), 'courier-start-'));
const env = { PATH: process.env.PATH, HOME: home, COURIER_HOME: home };
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!;

function secondsOf(args: readonly string[]): number {
  const begun = performance.now();
  spawnSync(process.execPath, args, { env, stdio: 'ignore' });
  return (performance.now() - begun) / 1_000;
}

try {
  execFileSync(process.execPath, [main, '--version'], { env, stdio: 'ignore' });
  for (const command of ['--version', '--help', 'status', 'runs list']) {
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      bare.push(secondsOf(['-e', '0']));
      ours.push(secondsOf([main, ...command.split(' ')]));
    }
    const ratio = median(ours) / median(bare);
    console.log(`${command.padEnd(10)} ${median(ours).toFixed(2)} s, ${ratio.toFixed(1)} times bare Node.js`);
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)}`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
