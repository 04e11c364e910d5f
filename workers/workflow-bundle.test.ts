import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dataConverterFromEnv } from './codec.ts';
import { workflowBundle } from './workflow-bundle.ts';

const encrypted = dataConverterFromEnv({ COURIER_PAYLOAD_KEY: Buffer.alloc(32).toString('base64') });
const dir = mkdtempSync(join(tmpdir(), 'courier-bundle-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const pathOf = async (converter: typeof encrypted) =>
  ((await workflowBundle(converter, dir)) as { codePath: string }).codePath;

describe('workflowBundle', () => {
  it('bundles the workflows once per state of the sources, with and without the failure converter', async () => {
    // Two workers that start at the same time on a fresh checkout.
    const [plain, same] = (await Promise.all([pathOf(undefined), pathOf(undefined)])) as [string, string];
    expect(same).toBe(plain);
    const { mtimeMs } = statSync(plain);
    expect(await pathOf(undefined)).toBe(plain);
    expect(statSync(plain).mtimeMs).toBe(mtimeMs);
    expect(readFileSync(plain, 'utf8')).toContain('uploadDataset');
    expect(readFileSync(plain, 'utf8')).not.toContain('encodeCommonAttributes: true');

    const other = await pathOf(encrypted);
    expect(other).not.toBe(plain);
    expect(readdirSync(dir)).toHaveLength(2);
    expect(readFileSync(other, 'utf8')).toContain('encodeCommonAttributes: true');
  });
});
