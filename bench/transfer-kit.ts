/** Helpers of the transfer measurements: a server process, rounds that take turns, medians. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Bench {
  readonly dir: string;
  readonly url: (name: string) => string;
  stop(): void;
}

export async function startBench(): Promise<Bench> {
  const dir = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bench-'));
  const program = fileURLToPath(new URL('./transfer-server.ts', import.meta.url));
  const child = spawn(process.execPath, [program, dir], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise<string>((done) =>
    child.stdout.once('data', (text) => done(String(text).trim())),
  );
  return {
    dir,
    url: (name) => `http://127.0.0.1:${port}/${name}?sig=x`,
    stop: () => {
      child.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Runs the contenders in turns, so that what else the machine does falls on all; medians in seconds. */
export async function compare<T extends string>(
  contenders: Record<T, () => Promise<void>>,
  rounds: number,
): Promise<Record<T, number>> {
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, [] as number[]])) as Record<
    T,
    number[]
  >;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of Object.keys(contenders) as T[]) {
      const startedAt = performance.now();
      await contenders[name]();
      // The first round warms up.
      if (round > 0) times[name].push((performance.now() - startedAt) / 1000);
    }
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  return Object.fromEntries(
    Object.entries<number[]>(times).map(([name, all]) => [name, median(all)]),
  ) as Record<T, number>;
}

export function report(title: string, seconds: Record<string, number>, yardstick: string): void {
  const base = seconds[yardstick] ?? Number.NaN;
  process.stdout.write(`${title}\n`);
  for (const [name, time] of Object.entries(seconds)) {
    process.stdout.write(
      `  ${name.padEnd(34)} ${time.toFixed(3)} s   ${(base / time).toFixed(2)} x ${yardstick}\n`,
    );
  }
}

export const curl = (args: readonly string[]): Promise<void> =>
  new Promise((done, fail) => {
    const child = spawn('curl', ['-fsS', '-o', '/dev/null', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`curl ended with ${code}`))));
  });
