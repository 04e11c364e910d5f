/** One large file up and down against curl: `node bench/transfer-large.ts [MiB] [rounds]`. */

import { randomFillSync } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getToFile } from '../transfer/get.ts';
import { putFile } from '../transfer/put.ts';
import { compare, curl, report, startBench } from './transfer-kit.ts';

const MiB = 1024 * 1024;
const sizeMiB = Number(process.argv[2] ?? 1024);
const rounds = Number(process.argv[3] ?? 3);
const bench = await startBench();
try {
  const path = join(bench.dir, 'source');
  const sizeBytes = sizeMiB * MiB;
  const file = createWriteStream(path);
  const piece = Buffer.alloc(MiB);
  for (let n = 0; n < sizeMiB; n += 1) {
    if (!file.write(randomFillSync(piece))) await new Promise<void>((done) => file.once('drain', done));
  }
  await new Promise<void>((done) => file.end(done));
  const source = { path, sizeBytes };
  for (const sink of ['hashed', 'stored', 'discard']) {
    const put = (hash: 'none' | 'md5' | 'both') => async () =>
      void (await putFile(bench.url(sink), source, { hash }));
    const curlPut = () =>
      curl([
        '-X',
        'PUT',
        '-H',
        'Content-Type: application/octet-stream',
        '--upload-file',
        path,
        bench.url(sink),
      ]);
    report(
      `PUT of ${sizeMiB} MiB, ${sink}`,
      await compare({ curl: curlPut, none: put('none'), md5: put('md5'), both: put('both') }, rounds),
      'curl',
    );
  }
  const target = join(bench.dir, 'target');
  const get = (ranges: number, hash: 'none' | 'md5' | 'both') => async (): Promise<void> => {
    rmSync(target, { force: true });
    await getToFile(bench.url('source'), target, { ranges, hash });
  };
  const curlGet = () => {
    rmSync(target, { force: true });
    return curl(['-o', target, bench.url('source')]);
  };
  report(
    `GET of ${sizeMiB} MiB, to disk with fsync (curl without)`,
    await compare(
      {
        curl: curlGet,
        '1 range, no hash': get(1, 'none'),
        '1 range, md5': get(1, 'md5'),
        '4 ranges, no hash': get(4, 'none'),
        '4 ranges, md5': get(4, 'md5'),
        '4 ranges, both': get(4, 'both'),
      },
      rounds,
    ),
    'curl',
  );
  const peak = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(`peak memory ${peak.toFixed(0)} MiB\n`);
} finally {
  bench.stop();
}
