/**
 * A cloud that fails at random: `node bench/refusals.ts [--documents N] [--files N] [--route TEXT]`. For each
 * route, an upload and a download while one request in five of that route alone fails, against the same
 * without faults. Aim: at most three times as long.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { createBenchLab } from './lab.ts';

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '2000' },
    files: { type: 'string', default: '100' },
    route: { type: 'string', default: '' },
  },
});

/**
 * Every route that a transfer asks, and how it fails: a refusal, or an answer that is lost after the work was
 * done.
 */
const FAULTS = [
  { route: 'POST /auth/login', kind: '5xx' },
  { route: 'GET /datasets/:d', kind: '5xx' },
  { route: 'GET /datasets/:d/documents', kind: '5xx' },
  { route: 'GET /datasets/:d/document-count', kind: '5xx' },
  { route: 'GET /datasets/:d/files', kind: '5xx' },
  { route: 'GET /datasets/:d/files/:uid/detail', kind: '5xx' },
  { route: 'GET /datasets/:org/:d/files/bulk', kind: '5xx' },
  { route: 'GET /bulk-uploads/:job', kind: '5xx' },
  { route: 'POST /datasets/:d/documents/bulk-upload', kind: '5xx' },
  { route: 'POST /datasets/:d/documents/bulk-download', kind: '5xx' },
  { route: 'POST /datasets/:d/documents/bulk-fetch', kind: '5xx' },
  { route: 'POST /organizations/:org/datasets', kind: '504-after-work' },
  { route: 'PUT object', kind: '5xx' },
  { route: 'PUT object', kind: 'reset-after' },
  { route: 'GET object', kind: '5xx' },
  { route: 'GET object', kind: 'truncated-get' },
] as const;

const lab = await createBenchLab();
try {
  const control = async (method: string, body?: object): Promise<void> => {
    const answer = await fetch(`${lab.cloud.controlUrl}/faults`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  };
  let made = 0;
  const transfer = async (): Promise<number> => {
    made += 1;
    const dir = join(lab.dir, `refusals-${made}`);
    const size = { documents: Number(values.documents), files: Number(values.files), fileBytes: 20_000 };
    await makeDataset(dir, { ...size, seed: made });
    const up = await lab.upload(dir);
    const down = await lab.download(up.result.datasetId, `${dir}-copy`);
    for (const { result } of [up, down])
      if (result.status !== 'done') throw new Error(JSON.stringify(result.problems));
    return up.seconds + down.seconds;
  };
  await transfer();
  for (const fault of FAULTS.filter(({ route }) => route.includes(values.route))) {
    // In turns: what else the machine does falls on both.
    const calm = await transfer();
    await control('POST', { ...fault, probability: 0.2, params: { status: 503, fraction: 0.5 } });
    const seconds = await transfer();
    await control('DELETE');
    console.log(
      `${fault.route}, ${fault.kind}: ${seconds.toFixed(1)} s, without ${calm.toFixed(1)} s, ratio ${(seconds / calm).toFixed(1)}`,
    );
  }
} finally {
  await lab.close();
}
