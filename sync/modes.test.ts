import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSyncMode, SYNC_MODES } from './modes.ts';
import type { SyncMode } from './types.ts';

describe('a mode', () => {
  it.each<[SyncMode, string[]]>([
    ['two-way', ['TwoWay', 'two_way', 'TWO_WAY', 'two-way-sync', 'two_way_sync', 'TwoWaySync', 'Two way']],
    ['download-new', ['DownloadNew', 'download_new', 'download-new', 'DOWNLOAD_NEW', 'downloadnew']],
    ['upload-new', ['UploadNew', 'upload_new', 'UPLOAD_NEW', ' upload-new ']],
    [
      'mirror-from-cloud',
      ['MirrorFromRemote', 'mirror_from_remote', 'MIRROR_FROM_REMOTE', 'mirrorFromCloud'],
    ],
    ['mirror-to-cloud', ['MirrorToRemote', 'mirror_to_remote', 'MIRROR_TO_REMOTE', 'Mirror-To-Cloud']],
  ])('%s goes by the names %j', (mode, names) => {
    for (const name of [mode, ...names]) expect(parseSyncMode(name)).toBe(mode);
  });

  it.each(['', 'mirror', 'both', 'two.way', 'download', 'constructor', '__proto__', 'two-way!'])(
    'is not called %j, and the error lists all modes',
    (text) => {
      expect(() => parseSyncMode(text)).toThrow(expect.objectContaining({ code: 'NDI_E_USAGE' }));
      for (const mode of SYNC_MODES) expect(() => parseSyncMode(text)).toThrow(mode);
    },
  );

  it('is what a name says in any case, with any of three separators', () => {
    const spelling = fc.tuple(fc.constantFrom(...SYNC_MODES), fc.constantFrom('-', '_', ' ', ''), fc.nat());
    fc.assert(
      fc.property(spelling, ([mode, separator, bits]) => {
        const text = [...mode.replaceAll('-', separator)]
          .map((letter, at) => ((bits >> (at % 30)) & 1 ? letter.toUpperCase() : letter))
          .join('');
        expect(parseSyncMode(text)).toBe(mode);
      }),
    );
  });

  it('is nothing else: any text is a mode or a usage error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(SYNC_MODES).toContain(parseSyncMode(text));
        } catch (error) {
          expect(error).toMatchObject({ code: 'NDI_E_USAGE' });
        }
      }),
    );
  });
});
