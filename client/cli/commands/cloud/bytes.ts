/**
 * Bytes to and from presigned addresses, for the raw API commands. An address is used at once and quoted in
 * no message: whoever has one may read or write the bytes.
 */
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { CourierError, isCourierError } from '../../../../errors/index.ts';
import type { Invocation } from '../../command.ts';

/**
 * A file that is to be sent.
 * @throws NDI_E_USAGE where there is none
 */
export async function fileToSend(
  { cwd }: Pick<Invocation, 'cwd'>,
  file: string,
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const path = resolve(cwd, file);
  const { size } = await stat(path).catch((cause: unknown) => {
    throw new CourierError('NDI_E_USAGE', { detail: `${file} cannot be read.`, cause });
  });
  return { path, sizeBytes: size };
}

export async function sendFrom(
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
  url: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { statusCode, body } = await request(url, {
      method: 'PUT',
      body: createReadStream(path, { highWaterMark: 1 << 20 }),
      headers: { 'content-length': String(sizeBytes) },
      signal,
    });
    const said = await body.text();
    if (statusCode < 200 || statusCode > 299) throw refused(statusCode, said);
  } catch (error) {
    throw asNetworkError(error, signal);
  }
}

/** Into `<target>.partial`, renamed when its length is right. Answers the length. */
export async function fetchTo(url: string, target: string, signal: AbortSignal): Promise<number> {
  const partial = `${target}.partial`;
  try {
    const { statusCode, headers, body } = await request(url, { signal });
    if (statusCode !== 200) throw refused(statusCode, await body.text());
    await pipeline(body, createWriteStream(partial), { signal });
    const { size } = await stat(partial);
    const announced = headers['content-length'];
    if (announced !== undefined && Number(announced) !== size) {
      throw new CourierError('NDI_E_INTEGRITY', { detail: `${size} of ${announced} bytes arrived.` });
    }
    await rename(partial, target);
    return size;
  } catch (error) {
    rmSync(partial, { force: true });
    throw asNetworkError(error, signal);
  }
}

const POLL_MS = 1_000;

/**
 * As `fetchTo`, for an object that appears some time after its address: until then 403 or 404 (NDI Cloud
 * contract §2.5 E10).
 */
export async function fetchWhenReady(
  url: string,
  target: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<number> {
  const giveUpAt = Date.now() + waitMs;
  for (;;) {
    try {
      return await fetchTo(url, target, signal);
    } catch (error) {
      const isMissing =
        isCourierError(error, 'NDI_E_NOT_FOUND') || isCourierError(error, 'NDI_E_URL_EXPIRED');
      if (!isMissing || Date.now() > giveUpAt) throw error;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** The meaning of an object store's refusal; its XML is read for the one word that matters. */
function refused(statusCode: number, said: string): CourierError {
  const detail = `The object store answered ${statusCode}.`;
  if (statusCode === 404) return new CourierError('NDI_E_NOT_FOUND', { detail });
  if (statusCode !== 403) return new CourierError('NDI_E_BAD_ANSWER', { detail });
  const isCold = said.includes('<Code>InvalidObjectState<');
  return new CourierError(isCold ? 'NDI_E_ARCHIVED' : 'NDI_E_URL_EXPIRED', { detail });
}

/** A foreign message may quote the address; only its kind is passed on. */
function asNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof CourierError || signal.aborted) return error;
  const { code, name } = error as { code?: string; name?: string };
  return new CourierError('NDI_E_NETWORK', { detail: `${code ?? name ?? 'unknown'}.` });
}
