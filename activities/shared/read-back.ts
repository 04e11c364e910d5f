/** Reading documents back: what the cloud has, by canonical hash. */
import type { CourierError } from '../../errors/index.ts';
import { isCourierError } from '../../errors/index.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import type { RunScope } from '../deps.ts';
import { takeDirectly, takeZip } from './bodies.ts';

/** A direct fetch is one request for 200; a zip has to be made and polled for. */
const ZIP_FROM = 200;

export interface CloudBody {
  readonly ndiId: string;
  readonly cloudId: string;
  readonly hash: string;
  readonly document: NdiDocument;
}

/**
 * Reads these documents (NDI id → cloud id) and calls `seen` for each that came and could be read; resolves
 * with the errors of the others, by NDI id. One that the cloud does not give at all is among neither.
 */
export async function readBack(
  scope: RunScope,
  name: string,
  wanted: ReadonlyMap<string, string>,
  seen: (body: CloudBody) => void,
): Promise<ReadonlyMap<string, CourierError>> {
  const left = new Map(wanted);
  const failures = new Map<string, CourierError>();
  const ndiIdOf = new Map([...wanted].map(([ndiId, cloudId]) => [cloudId, ndiId]));
  const take = (text: string, cloudId?: string): void => {
    try {
      const document = parseDocument(text);
      const ndiId = describeDocument(document).id;
      const expected = left.get(ndiId);
      if (expected === undefined || (cloudId !== undefined && cloudId !== expected)) return;
      left.delete(ndiId);
      seen({ ndiId, cloudId: expected, hash: canonicalHash(document), document });
    } catch (error) {
      if (!isCourierError(error)) throw error;
      const ndiId = cloudId === undefined ? undefined : ndiIdOf.get(cloudId);
      if (ndiId !== undefined) failures.set(ndiId, error);
    }
  };
  if (left.size > ZIP_FROM) await takeZip(scope, { name, cloudIds: [...left.values()] }, take);
  const odd = await takeDirectly(scope, [...left.values()], take);
  for (const [cloudId, error] of odd) failures.set(ndiIdOf.get(cloudId) as string, error);
  return failures;
}
