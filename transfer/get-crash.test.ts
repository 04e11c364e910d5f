import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noise, type ObjectServer, startObjectServer } from './object-server.test.fixture.ts';
import type { GetResult } from './types.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const PART = 256 * KiB;
const RANGES = 3;
const STRETCH = MiB;
const KILLS = 3;
const CHILD = fileURLToPath(new URL('./get-child.test.fixture.ts', import.meta.url));
let server: ObjectServer;
let dir: string;

beforeEach(async () => {
  server = await startObjectServer();
  dir = mkdtempSync(join(tmpdir(), 'crash-'));
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

const noted = (): number => {
  try {
    return readFileSync(join(dir, 'journal'), 'utf8').split('\n').length - 2;
  } catch {
    return 0;
  }
};

function download(): { readonly kill: () => void; readonly ended: Promise<string> } {
  const options = { rangeThresholdBytes: STRETCH, partSizeBytes: PART, ranges: RANGES };
  const child = spawn(
    process.execPath,
    [CHILD, server.url('o'), join(dir, 'target'), join(dir, 'journal'), JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  return {
    kill: () => child.kill('SIGKILL'),
    ended: new Promise((done) => child.on('close', () => done(out))),
  };
}

/** Sends bodies slowly, counts what goes out, and calls `each` as it does. */
function serveSlowly(bytes: Buffer, each: () => void): { sent: number } {
  const count = { sent: 0 };
  server.fault = (request, response) => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const start = Number(match?.[1]);
    const end = Math.min(bytes.length, Number(match?.[2]) + 1);
    response.writeHead(206, {
      etag: `"${server.etag(bytes)}"`,
      'content-length': end - start,
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    });
    let at = start;
    const send = (): void => {
      if (response.destroyed) return;
      const piece = bytes.subarray(at, Math.min(end, at + 64 * KiB));
      at += piece.length;
      count.sent += piece.length;
      each();
      if (at >= end) response.end(piece);
      else response.write(piece, () => setTimeout(send, 1));
    };
    send();
    return true;
  };
  return count;
}

describe('a download in a process that is killed', () => {
  it('a download that is killed again and again costs no more than what was in flight', async () => {
    const bytes = noise(14 * MiB);
    let running: ReturnType<typeof download> | undefined;
    let kills = 0;
    const count = serveSlowly(bytes, () => {
      // By the journal, not by what was sent: megabytes of that may still lie in the buffers of the sockets.
      if (kills < KILLS && noted() >= (kills + 1) * 8) {
        kills += 1;
        running?.kill();
      }
    });
    let out = '';
    for (let starts = 0; out === ''; starts += 1) {
      expect(starts).toBeLessThan(8);
      running = download();
      out = await running.ended;
    }
    const result = JSON.parse(out) as GetResult;
    expect(kills).toBe(KILLS);
    expect(readFileSync(join(dir, 'target')).equals(bytes)).toBe(true);
    expect(result.md5Hex).toBe(server.etag(bytes));
    expect(result.resumedBytes).toBeGreaterThanOrEqual(KILLS * 8 * PART);
    // Parts written but not yet noted, and the stretches under way, whose bytes the server counts when they
    // enter the sockets.
    const inFlight = 2 * RANGES * PART + RANGES * STRETCH;
    expect(count.sent).toBeLessThanOrEqual(bytes.length + kills * inFlight);
    expect(readdirSync(dir)).toEqual(['target']);
  });
});
