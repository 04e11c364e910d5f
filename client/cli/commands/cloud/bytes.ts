/**
 * Bytes to and from presigned addresses, for the raw API commands. An address is used at once and quoted in
 * no message: whoever has one may read or write the bytes.
 */
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { CourierError, isCourierError } from '../../../../errors/index.ts';
import { networkOf } from '../../../../net/network.ts';
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

/** Limits of the library; a store is spoken to by HTTP/1.1. */
const LIMITS = { allowH2: false, connectMs: 20_000 };

/** One request to a presigned address, by the way that the environment names. */
async function exchange<Result>(
  { env }: Pick<Invocation, 'env'>,
  url: string,
  options: Pick<Dispatcher.RequestOptions, 'body' | 'headers'> & {
    readonly method: 'GET' | 'PUT';
    readonly signal: AbortSignal;
  },
  use: (answer: Dispatcher.ResponseData) => Promise<Result>,
): Promise<Result> {
  const network = networkOf(env);
  const dispatcher = network.dispatcher(LIMITS);
  try {
    const { origin, pathname, search } = new URL(url);
    return await use(await dispatcher.request({ ...options, origin, path: pathname + search }));
  } catch (error) {
    throw network.failure(error, url) ?? asNetworkError(error, options.signal);
  } finally {
    await dispatcher.destroy();
  }
}

export async function sendFrom(
  invocation: Pick<Invocation, 'env'>,
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
  url: string,
  signal: AbortSignal,
): Promise<void> {
  const body = createReadStream(path, { highWaterMark: 1 << 20 });
  const headers = { 'content-length': String(sizeBytes) };
  await exchange(invocation, url, { method: 'PUT', body, headers, signal }, async (answer) => {
    const said = await answer.body.text();
    if (answer.statusCode < 200 || answer.statusCode > 299) throw refused(answer.statusCode, said);
  });
}

/** Into `<target>.partial`, renamed when its length is right. Answers the length. */
export async function fetchTo(
  invocation: Pick<Invocation, 'env'>,
  url: string,
  target: string,
  signal: AbortSignal,
): Promise<number> {
  const partial = `${target}.partial`;
  try {
    return await exchange(
      invocation,
      url,
      { method: 'GET', signal },
      async ({ statusCode, headers, body }) => {
        if (statusCode !== 200) throw refused(statusCode, await body.text());
        await pipeline(body, createWriteStream(partial), { signal });
        const { size } = await stat(partial);
        const announced = headers['content-length'];
        if (announced !== undefined && Number(announced) !== size) {
          throw new CourierError('NDI_E_INTEGRITY', { detail: `${size} of ${announced} bytes arrived.` });
        }
        await rename(partial, target);
        return size;
      },
    );
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

const POLL_MS = 1_000;

/**
 * As `fetchTo`, for an object that appears some time after its address: until then 403 or 404 (NDI Cloud
 * contract §2.5 E10).
 */
export async function fetchWhenReady(
  invocation: Pick<Invocation, 'env'>,
  url: string,
  target: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<number> {
  const giveUpAt = Date.now() + waitMs;
  for (;;) {
    try {
      return await fetchTo(invocation, url, target, signal);
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
