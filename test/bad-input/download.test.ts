/**
 * Bad input for a download, given to the run itself: an id that is none, a target that is taken, a cloud that
 * serves names and archives made to write elsewhere. Each has a code that says what it is, and nothing but
 * the target is touched.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { createProfileStore, login } from '../../ndi/auth/index.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import { tamper } from '../fixtures/dataset.ts';
import { addCloudDocument, cloudRequest } from '../support/cloud-state.ts';
import { type Eavesdropper, startEavesdropper } from '../support/eavesdropper.ts';
import { type ForgedEntry, forgedZip } from '../support/forged-zip.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { cloudContent, contentOf, refusalOf } from '../support/refusals.ts';

const UNKNOWN = 'ffffffffffffffffffffffff';

describe('a download', () => {
  let lab: Lab;
  let source: string;
  let cloudId: string;
  let made = 0;
  /** A folder of its own for each target, so that whatever is written beside it shows. */
  let parent: string;
  let target: string;

  beforeAll(async () => {
    lab = await createLab();
    source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 40, files: 4, fileBytes: 2_000, seed: 3 });
    cloudId = (await lab.upload(source)).datasetId;
  });
  afterAll(() => lab?.close());
  beforeEach(() => {
    made += 1;
    parent = join(lab.dir, `parent-${made}`);
    mkdirSync(parent);
    target = join(parent, 'target');
  });

  const input = (more: Partial<DownloadInput> = {}): DownloadInput =>
    lab.downloadInput(cloudId, target, more);

  async function refused(code: string, given: DownloadInput): Promise<string> {
    const [here, there] = [contentOf(parent), cloudContent(lab)];
    const info = await refusalOf(await lab.startDownload(given));
    expect(info.code).toBe(code);
    expect(info.nextStep.length).toBeGreaterThan(5);
    // No folder of its own beside the target, either.
    expect(contentOf(parent)).toEqual(here);
    expect(cloudContent(lab)).toBe(there);
    return info.sentence;
  }

  it.each([
    ['that does not exist', UNKNOWN],
    ['whose id is a path', '../../../etc'],
  ])('of a cloud dataset %s is refused', async (_what, cloudDatasetId) => {
    await refused('NDI_E_NOT_FOUND', input({ cloudDatasetId }));
  });

  it('of a cloud dataset that was deleted is refused', async () => {
    const { organizationId } = lab.sandbox.users[0]!;
    const { id } = await cloudRequest(lab, 'POST', `/organizations/${organizationId}/datasets`, {
      name: 'Gone',
    });
    await cloudRequest(lab, 'DELETE', `/datasets/${id}?when=7d`);
    await refused('NDI_E_NOT_FOUND', input({ cloudDatasetId: id as string }));
  });

  it('of a private dataset of another laboratory is refused', async () => {
    const { email, password } = lab.sandbox.users.find((user) => user.email.startsWith('second@'))!;
    const store = createProfileStore({ homeDir: lab.homeDir, env: lab.env });
    await login({ store, env: { NDI_CLOUD_URL: lab.sandbox.apiUrl }, email, password, profile: 'second' });
    await refused('NDI_E_FORBIDDEN', input({ cloud: { ...input().cloud, profile: 'second' } }));
  });

  it('into a folder that holds something else is refused', async () => {
    mkdirSync(target);
    writeFileSync(join(target, 'thesis.txt'), 'years of work');
    expect(await refused('NDI_E_TARGET_OCCUPIED', input())).toContain(target);
  });

  it('onto a file is refused', async () => {
    writeFileSync(target, 'a file');
    await refused('NDI_E_TARGET_OCCUPIED', input());
  });

  it('into a folder that holds another dataset is refused', async () => {
    await makeDataset(target, { documents: 30, files: 1, fileBytes: 100, seed: 77 });
    await refused('NDI_E_TARGET_OCCUPIED', input());
  });

  it.each([
    ['a binary has been cut off', 'bytes', () => truncateSync(someFile(), 3)],
    ['a binary has been deleted', 'is not here', () => rmSync(someFile())],
    [
      'a document has been changed',
      'was changed',
      () => tamper(target, `UPDATE docs SET json_code = replace(json_code, '"name"', '"nom"')`),
    ],
    [
      'a document has been deleted',
      'lacks document',
      () => tamper(target, 'DELETE FROM branch_docs WHERE doc_idx = 5'),
    ],
  ])('into a folder that held exactly this is refused when %s', async (_what, why, change) => {
    await lab.download(cloudId, target);
    const again = await lab.download(cloudId, target);
    expect(again).toMatchObject({ status: 'done', bytes: 0, documents: { transferred: 0 } });
    change();
    const { code, sentence } = await refusalOf(await lab.startDownload(input()));
    expect(code).toBe('NDI_E_TARGET_OCCUPIED');
    expect(sentence).toContain(why);
  });

  /** Under both of its names: they are one file. */
  function someFile(): string {
    const files = join(target, '.ndi', 'files');
    const uid = readdirSync(files).find((name) => /^[0-9a-f]{16}_[0-9a-f]{16}$/.test(name))!;
    for (const name of readdirSync(files)) {
      const same = statSync(join(files, name)).ino === statSync(join(files, uid)).ino;
      if (same && name !== uid) rmSync(join(files, name));
    }
    return join(files, uid);
  }

  it('of documents and files whose ids are paths names them, takes the rest, and writes nowhere else', async () => {
    const { organizationId } = lab.sandbox.users[0]!;
    const { id } = await cloudRequest(lab, 'POST', `/organizations/${organizationId}/datasets`, {
      name: 'Evil',
    });
    const dataset = id as string;
    const texts = documentTexts(source);
    for (const text of texts) await addCloudDocument(lab, dataset, text);
    const [first, second] = [JSON.parse(texts[0]!), JSON.parse(texts[1]!)];
    await addCloudDocument(lab, dataset, JSON.stringify(withId(first, '../../../evil-document')));
    await addCloudDocument(
      lab,
      dataset,
      JSON.stringify({
        ...withId(second, '41268d7001aaaaaa_06c45d18aaaaaaaa'),
        files: {
          file_list: ['evil'],
          file_info: [
            {
              name: 'evil',
              locations: [
                {
                  delete_original: 0,
                  uid: '../../../../evil-file',
                  location: 'x',
                  parameters: '',
                  location_type: 'file',
                  ingest: 1,
                },
              ],
            },
          ],
        },
      }),
    );
    const before = contentOf(lab.dir).filter((line) => /evil/.test(line));
    const result = await (await lab.startDownload(input({ cloudDatasetId: dataset }))).result();
    expect(result.status).toBe('done-with-leftovers');
    const bad = result.problems.filter(({ code }: { code: string }) => code === 'NDI_E_BAD_ID');
    expect(JSON.stringify(bad)).toContain('evil-document');
    expect(JSON.stringify(bad)).toContain('evil-file');
    expect(readdirSync(parent)).toEqual(['target']);
    expect(contentOf(lab.dir).filter((line) => /evil/.test(line))).toEqual(before);
    const { onlyInA, differentDocuments } = await compareDatasets(source, target);
    expect([...onlyInA, ...differentDocuments]).toEqual([]);
  });

  describe('from a cloud whose archives are hostile', () => {
    let wire: Eavesdropper;
    let store: Server;
    let archive: Buffer;
    /** Id of a document that the cloud gives with 9 MB more, when it is asked for directly. */
    let swollen: string | undefined;

    beforeAll(async () => {
      wire = await startEavesdropper(lab.sandbox);
      // An account in the environment is for the cloud that is named there.
      const { email, password } = lab.sandbox.users[0]!;
      const profiles = createProfileStore({ homeDir: lab.homeDir, env: lab.env });
      await login({ store: profiles, env: {}, email, password, profile: 'wire', baseUrl: wire.apiUrl });
      store = createServer((_request, response) => {
        response.writeHead(200, { 'content-length': archive.length, etag: '"evil"' }).end(archive);
      });
      await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(store.address() as AddressInfo).port}/documents.zip`;
      wire.rewrite((request, body) => {
        if (/bulk-download/.test(request)) return JSON.stringify({ url });
        return /bulk-fetch/.test(request) && swollen !== undefined
          ? body.replace(new RegExp(`("id"\\s*:\\s*"${swollen}")`), `$1,"swollen":"${'x'.repeat(9_000_000)}"`)
          : body;
      });
    });
    afterAll(async () => {
      store.closeAllConnections();
      store.close();
      await wire.close();
    });

    /** What the archive brings if it is believed: a document of the dataset that says something else. */
    const tampered = (): Buffer => {
      const text = documentTexts(source)[3]!;
      const document = JSON.parse(text);
      return Buffer.from(JSON.stringify([{ ...document, tampered: true }]));
    };
    const good = (): ForgedEntry => ({ name: 'documents.json', data: tampered() });
    const HOSTILE: [string, string, () => ForgedEntry[]][] = [
      ['climbing', 'NDI_E_ZIP_UNSAFE', () => [good(), { name: '../../evil.json', data: tampered() }]],
      ['absolute', 'NDI_E_ZIP_UNSAFE', () => [good(), { name: '/tmp/evil.json', data: tampered() }]],
      [
        'climbing the Windows way',
        'NDI_E_ZIP_UNSAFE',
        () => [good(), { name: '..\\evil.json', data: tampered() }],
      ],
      ['double', 'NDI_E_ZIP_UNSAFE', () => [good(), good()]],
      ['encrypted', 'NDI_E_ZIP_UNSAFE', () => [{ ...good(), flags: 0x0801 }]],
      [
        'bombs that say so',
        'NDI_E_ZIP_UNSAFE',
        () => [good(), { name: 'bomb.json', data: Buffer.alloc(200_000_000, 0x20), deflated: true }],
      ],
      [
        'bombs that lie',
        'NDI_E_ZIP_UNSAFE',
        () => [
          { name: 'bomb.json', data: Buffer.alloc(200_000_000, 0x20), deflated: true, claimedBytes: 1_000 },
        ],
      ],
    ];

    it('lists one document that is too large for an answer, and takes the others', async () => {
      archive = forgedZip([{ name: 'documents.json', data: Buffer.from('[]') }]);
      const { base } = JSON.parse(documentTexts(source)[5]!) as { base: { id: string } };
      swollen = base.id;
      try {
        const cloud = { ...input().cloud, baseUrl: wire.apiUrl, profile: 'wire' };
        const tuning = { ...input().tuning, importQuietMs: 500 };
        const result = await (await lab.startDownload(input({ cloud, tuning }))).result();
        expect(result.problems).toEqual([
          expect.objectContaining({ kind: 'document', id: base.id, code: 'NDI_E_DOCUMENT_TOO_LARGE' }),
        ]);
        const { onlyInA, differentDocuments } = await compareDatasets(source, target);
        expect([...onlyInA, ...differentDocuments]).toEqual([base.id]);
      } finally {
        swollen = undefined;
      }
    });

    it.each(HOSTILE)(
      'notes that they are %s, believes nothing of them, and asks for the documents one by one',
      async (_name, code, entries) => {
        archive = forgedZip(entries());
        const peak = process.memoryUsage.rss();
        const cloud = { ...input().cloud, baseUrl: wire.apiUrl, profile: 'wire' };
        const handle = await lab.startDownload(input({ cloud }));
        const result = await handle.result();
        expect(process.memoryUsage.rss() - peak).toBeLessThan(150_000_000);
        expect(result.problems).toEqual([]);
        expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
        expect(readdirSync(parent)).toEqual(['target']);
        for (const place of [lab.dir, parent, target, lab.homeDir, '/tmp']) {
          expect(existsSync(join(place, 'evil.json'))).toBe(false);
        }
        const ledger = openLedger(join(target, '.ndi', 'courier', 'ledger.sqlite'));
        const noted = ledger.auditTrail({ limit: 100 }).filter(({ action }) => /zip/.test(action));
        ledger.close();
        expect(noted.length).toBeGreaterThan(0);
        for (const { detail } of noted) expect(detail).toMatchObject({ code });
      },
    );
  });
});

function documentTexts(dir: string): string[] {
  const reader = openDataset(dir);
  try {
    return [...reader.documents()].map(({ text }) => text);
  } finally {
    reader.close();
  }
}

const withId = (document: { base: object }, id: string) => ({ ...document, base: { ...document.base, id } });
