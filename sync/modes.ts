/**
 * The five modes under every name that people know them by: ours, and those of the NDI clients (contract §6.3).
 */
import { CourierError } from '../errors/index.ts';
import { foldName } from './spelling.ts';
import type { SyncMode } from './types.ts';

export const SYNC_MODES = [
  'two-way',
  'download-new',
  'upload-new',
  'mirror-from-cloud',
  'mirror-to-cloud',
] as const satisfies readonly SyncMode[];

/** Names of the clients that are more than another spelling of ours, folded. */
const CLIENT_NAMES: Readonly<Record<string, SyncMode>> = {
  twowaysync: 'two-way',
  mirrorfromremote: 'mirror-from-cloud',
  mirrortoremote: 'mirror-to-cloud',
};

/** @throws NDI_E_USAGE with the modes that there are */
export function parseSyncMode(text: string): SyncMode {
  const folded = foldName(text);
  const mode =
    SYNC_MODES.find((name) => foldName(name) === folded) ??
    (Object.hasOwn(CLIENT_NAMES, folded) ? CLIENT_NAMES[folded] : undefined);
  if (mode !== undefined) return mode;
  throw new CourierError('NDI_E_USAGE', {
    detail: `There is no mode ${JSON.stringify(text.slice(0, 80))}. The modes are ${SYNC_MODES.join(', ')}.`,
  });
}
