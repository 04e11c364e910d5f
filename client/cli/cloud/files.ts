/**
 * `ndi-courier cloud files …` (NDI Cloud contract §2.7). Presigned addresses are used at once and never printed: whoever
 * has one may read or write the bytes.
 */
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { request } from 'undici';
import { z } from 'zod';
import { CourierError } from '../../../errors/index.ts';
import type { FileRow } from '../../../ndi/cloud/types.ts';
import { option } from '../../options.ts';
import { formatBytes } from '../../view/format.ts';
import { defineCommand } from '../command.ts';
import { withCourier } from '../courier-of.ts';
import { EXIT } from '../exit.ts';
import { call, callShape, DATASET, list, listOptions } from './call.ts';

const UID = { name: '<uid>', help: 'Uid of the file.' } as const;

const listing = defineCommand({
  name: 'list',
  summary: 'Files of a dataset.',
  args: [DATASET],
  options: listOptions,
  run: (invocation, [dataset], options) => {
    let rows: AsyncIterator<readonly FileRow[]> | undefined;
    return list(invocation, options, async (cloud, { page }, signal) => {
      rows ??= cloud.files.list(dataset, signal)[Symbol.asyncIterator]();
      const next = await rows.next();
      // The cloud decides how long its pages are; an empty one here ends the list.
      const found = next.done === true ? [] : next.value;
      return { rows: found, page, pageSize: found.length, totalNumber: undefined };
    });
  },
});

const get = defineCommand({
  name: 'get',
  summary: 'Fetch one file.',
  args: [DATASET, UID],
  options: z
    .object({
      output: option(z.string().optional(), {
        flags: '-o, --output <FILE>',
        help: 'Where to put it.',
        defaultText: 'the uid, here',
      }),
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset, uid], { output, profile, json }) =>
    withCourier(invocation, async (courier) => {
      const { cwd, out, signal } = invocation;
      const target = resolve(cwd, output ?? basename(uid));
      const cloud = await courier.cloud({ profile });
      try {
        const sizeBytes = await fetchTo(await cloud.files.downloadUrl(dataset, uid, signal), target, signal);
        if (json) out.json({ file: target, sizeBytes });
        else out.print(`${target}  ${formatBytes(sizeBytes)}`);
        return EXIT.done;
      } finally {
        await cloud.close();
      }
    }),
});

/** Into `<target>.partial`, renamed when its length is right. */
async function fetchTo(url: string, target: string, signal: AbortSignal): Promise<number> {
  const partial = `${target}.partial`;
  try {
    const { statusCode, headers, body } = await request(url, { signal });
    if (statusCode !== 200) {
      await body.dump();
      throw refused(statusCode);
    }
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

const put = defineCommand({
  name: 'put',
  summary: 'Send one file.',
  args: [DATASET, { name: '<file>', help: 'The file on this computer, at most 5 GB.' }],
  options: z
    .object({
      uid: option(z.string().optional(), {
        help: 'Uid to send it as.',
        value: 'UID',
        defaultText: 'the name of the file',
      }),
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset, file], { uid = basename(file), profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const path = resolve(invocation.cwd, file);
      const { size } = await stat(path).catch((cause: unknown) => {
        throw new CourierError('NDI_E_USAGE', { detail: `${file} cannot be read.`, cause });
      });
      const { organizationId } = await cloud.datasets.get(dataset, signal);
      const organization = organizationId ?? (await cloud.organizationId(signal));
      const url = await cloud.files.uploadUrl(organization, dataset, uid, signal);
      await sendFrom(path, size, url, signal);
      return { uid, sizeBytes: size };
    }),
});

async function sendFrom(path: string, sizeBytes: number, url: string, signal: AbortSignal): Promise<void> {
  try {
    const { statusCode, body } = await request(url, {
      method: 'PUT',
      body: createReadStream(path, { highWaterMark: 1 << 20 }),
      headers: { 'content-length': String(sizeBytes) },
      signal,
    });
    await body.dump();
    if (statusCode < 200 || statusCode > 299) throw refused(statusCode);
  } catch (error) {
    throw asNetworkError(error, signal);
  }
}

const refused = (statusCode: number): CourierError =>
  new CourierError(statusCode === 404 ? 'NDI_E_NOT_FOUND' : 'NDI_E_BAD_ANSWER', {
    detail: `The object store answered ${statusCode}.`,
  });

/** A foreign message may quote the address; only its kind is passed on. */
function asNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof CourierError || signal.aborted) return error;
  const { code, name } = error as { code?: string; name?: string };
  return new CourierError('NDI_E_NETWORK', { detail: `${code ?? name ?? 'unknown'}.` });
}

const stateOf = defineCommand({
  name: 'jobs',
  summary: 'Bulk upload jobs of a dataset.',
  args: [DATASET],
  options: z
    .object({
      state: option(
        z.enum(['active', 'all', 'queued', 'extracting', 'complete', 'failed']).default('active'),
        {
          help: 'Which jobs.',
        },
      ),
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset], { state, profile }) =>
    call(invocation, profile, async (cloud, signal) => ({
      jobs: await cloud.bulkUploads.list(dataset, state, signal),
    })),
});

export const files = defineCommand({
  name: 'files',
  summary: 'Files: list, get, put.',
  subcommands: [listing, get, put, stateOf],
});
