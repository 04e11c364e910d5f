/**
 * `ndi-courier cloud files …` (NDI Cloud contract §2.7, §2.8, §2.11). Presigned addresses are used at once;
 * those commands alone print one that are there for it, with a warning.
 */
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { FILE_TIERS } from '../../../../ndi/cloud/file-tiers.ts';
import type { FileRow, FullCloudClient } from '../../../../ndi/cloud/index.ts';
import { option } from '../../../options.ts';
import { formatBytes } from '../../../view/format.ts';
import { defineCommand, type Invocation, withCourier } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { fetchTo, fileToSend, sendFrom } from './bytes.ts';
import { about, call, callOptions, callShape, DATASET, list, listOptions } from './call.ts';

const UID = { name: '<uid>', help: 'Uid of the file.' } as const;
const NAMED_DOCUMENT = { name: '<document>', help: 'Cloud id or NDI id of the document.' } as const;
const JOB = { name: '<job>', help: 'Id of the job.' } as const;

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
        const sizeBytes = await fetchTo(
          invocation,
          await cloud.files.downloadUrl(dataset, uid, signal),
          target,
          signal,
        );
        if (json) out.json({ file: target, sizeBytes });
        else out.print(`${target}  ${formatBytes(sizeBytes)}`);
        return EXIT.done;
      } finally {
        await cloud.close();
      }
    }),
});

/** The organisation of the dataset, which the routes for sending want in their path. */
async function organizationOf(cloud: FullCloudClient, dataset: string, signal: AbortSignal): Promise<string> {
  const { organizationId } = await cloud.datasets.get(dataset, signal);
  return organizationId ?? (await cloud.organizationId(signal));
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
      const source = await fileToSend(invocation, file);
      const organization = await organizationOf(cloud, dataset, signal);
      await sendFrom(
        invocation,
        source,
        await cloud.files.uploadUrl(organization, dataset, uid, signal),
        signal,
      );
      return { uid, sizeBytes: source.sizeBytes };
    }),
});

const putZip = defineCommand({
  name: 'put-zip',
  summary: 'Send many files as one ZIP archive, which the cloud unpacks.',
  description: 'Entries are files, named by uid, without folders. Follow the unpacking with `job`.',
  args: [DATASET, { name: '<zip>', help: 'The archive on this computer.' }],
  options: callOptions,
  run: (invocation, [dataset, zip], { profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const source = await fileToSend(invocation, zip);
      const organization = await organizationOf(cloud, dataset, signal);
      const { url, jobId } = await cloud.files.bulkUploadUrl(organization, dataset, signal);
      await sendFrom(invocation, source, url, signal);
      return { jobId: jobId ?? null, sizeBytes: source.sizeBytes };
    }),
});

const jobs = defineCommand({
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

/** Said on stderr beside an answer that holds addresses. */
const warn = ({ out }: Invocation): void =>
  out.note('Keep these addresses to yourself: until they expire, whoever has one can fetch the bytes.');

const url = defineCommand({
  name: 'url',
  summary: 'Print an address from which one file can be fetched for a while.',
  args: [DATASET, UID],
  options: callOptions,
  run: (invocation, [dataset, uid], { profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const downloadUrl = await cloud.files.downloadUrl(dataset, uid, signal);
      warn(invocation);
      return { uid, downloadUrl };
    }),
});

const seriesShape = {
  series: option(z.string().optional(), {
    help: 'Members of this file series alone, such as `ai_group1_seg.nbf_#`.',
    value: 'NAME',
    defaultText: 'all files',
  }),
};

const urls = defineCommand({
  name: 'urls',
  summary: 'Print addresses of all files of a document.',
  description: 'One page: ask for the next with the `nextCursor` of the one before.',
  args: [DATASET, NAMED_DOCUMENT],
  options: z
    .object({
      limit: option(z.coerce.number().int().min(1).max(1_000).default(500), {
        help: 'Most addresses of the page.',
        value: 'N',
      }),
      cursor: option(z.string().optional(), { help: 'Where to go on.', value: 'CURSOR' }),
      ...seriesShape,
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset, document], { limit, cursor, series, profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const query = { limit, cursor, fileSeries: series };
      const page = await cloud.signedUrls.page(dataset, document, query, signal);
      warn(invocation);
      return page;
    }),
});

const sign = defineCommand({
  name: 'sign',
  summary: 'Start a job that makes one object of all file addresses of a document.',
  args: [DATASET, NAMED_DOCUMENT],
  options: z.object({ ...seriesShape, ...callShape }).strict(),
  run: (invocation, [dataset, document], { series, profile }) =>
    call(invocation, profile, (cloud, signal) =>
      cloud.signedUrls.start(dataset, document, series === undefined ? {} : { fileSeries: series }, signal),
    ),
});

const signJob = defineCommand({
  name: 'sign-job',
  summary: 'State of such a job; when it is ready, the address of its result.',
  args: [JOB],
  options: callOptions,
  run: (invocation, [job], { profile }) =>
    call(invocation, profile, async (cloud, signal) => {
      const found = await cloud.signedUrls.job(job, signal);
      if (found.resultUrl !== undefined) warn(invocation);
      return found;
    }),
});

const tier = defineCommand({
  name: 'tier',
  summary: 'Move the files of documents to another storage tier.',
  description: 'In GLACIER and DEEP_ARCHIVE files exist and cannot be read until they are moved back.',
  args: [DATASET, { name: '<documents...>', help: 'Cloud ids or NDI ids.' }],
  options: z
    .object({ to: option(z.enum(FILE_TIERS), { help: 'The tier.', value: 'TIER' }), ...callShape })
    .strict(),
  run: (invocation, [dataset, ids], { to, profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.fileTiers.start(dataset, to, ids, signal)),
});

export const files = defineCommand({
  name: 'files',
  summary: 'Files: list, get, put, addresses, storage tiers.',
  subcommands: [
    listing,
    get,
    put,
    putZip,
    jobs,
    about('job', 'State of one bulk upload job.', JOB, (cloud, id, signal) =>
      cloud.bulkUploads.get(id, signal),
    ),
    url,
    urls,
    sign,
    signJob,
    tier,
    about('tier-job', 'State of a move to another tier.', JOB, (cloud, id, signal) =>
      cloud.fileTiers.job(id, signal),
    ),
  ],
});
