/** The frame of all raw API commands: opening the API as an account, paging, and printing. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CourierError } from '../../../../errors/index.ts';
import type { FullCloudClient, Page, PageQuery } from '../../../../ndi/cloud/index.ts';
import { eachPage } from '../../../../ndi/cloud/pages.ts';
import { accountShape, option } from '../../../options.ts';
import { type Argument, defineCommand, type Invocation, withCourier } from '../../command.ts';
import { EXIT, type ExitCode } from '../../exit.ts';
import { jsonShape } from '../../shared-options.ts';

export const callShape = { ...accountShape, ...jsonShape };
export const callOptions = z.object(callShape).strict();

export const pageShape = {
  limit: option(z.coerce.number().int().min(1).max(1_000_000).default(100), {
    help: 'Most rows printed.',
    value: 'N',
  }),
};
export const listOptions = z.object({ ...pageShape, ...callShape }).strict();

export const whenShape = {
  when: option(z.string().default('7d'), {
    help: '`now`, or a delay in which it can be undone: 7d, 12h, 30m.',
    value: 'WHEN',
  }),
};

export const DATASET = { name: '<dataset>', help: 'Cloud id of the dataset.' } as const;
export const DOCUMENT = { name: '<document>', help: 'Cloud id of the document.' } as const;

/** Asks the cloud and prints the answer as one JSON object; `undefined` prints `{"ok":true}`. */
export function call(
  invocation: Invocation,
  profile: string | undefined,
  ask: (cloud: FullCloudClient, signal: AbortSignal) => Promise<unknown>,
): Promise<ExitCode> {
  return withCourier(invocation, async (courier) => {
    const cloud = await courier.cloud({ profile });
    try {
      invocation.out.json((await ask(cloud, invocation.signal)) ?? { ok: true });
      return EXIT.done;
    } finally {
      await cloud.close();
    }
  });
}

/** A request about one thing, by its id, that takes nothing more. */
export const about = (
  name: string,
  summary: string,
  argument: Argument & { readonly name: `<${string}>` },
  ask: (cloud: FullCloudClient, id: string, signal: AbortSignal) => Promise<unknown>,
) =>
  defineCommand({
    name,
    summary,
    args: [argument],
    options: callOptions,
    run: (invocation, [id], { profile }) =>
      call(invocation, profile, (cloud, signal) => ask(cloud, id as string, signal)),
  });

/** The most rows the cloud is known to give per page (NDI Cloud contract §2.5 E1). */
const PAGE_SIZE = 1_000;

const AS_IT_IS = { brief: (row: unknown) => row, whole: (row: unknown) => row };

/**
 * Prints a list, one JSON row per line, or with `json` as one object; `brief` is what a line has of a long
 * row.
 */
export function list<Row>(
  invocation: Invocation,
  options: { readonly profile?: string | undefined; readonly limit: number; readonly json: boolean },
  ask: (cloud: FullCloudClient, page: PageQuery, signal: AbortSignal) => Promise<Page<Row>>,
  show: { readonly brief: (row: Row) => unknown; readonly whole: (row: Row) => unknown } = AS_IT_IS,
): Promise<ExitCode> {
  const { out, signal } = invocation;
  return withCourier(invocation, async (courier) => {
    const cloud = await courier.cloud({ profile: options.profile });
    try {
      const rows: Row[] = [];
      let totalNumber: number | undefined;
      const pages = eachPage(Math.min(PAGE_SIZE, options.limit), async (query) => {
        const page = await ask(cloud, query, signal);
        totalNumber = page.totalNumber ?? totalNumber;
        return page;
      });
      for await (const page of pages) {
        rows.push(...page.rows);
        if (rows.length >= options.limit) break;
      }
      const shown = rows.slice(0, options.limit);
      if (options.json) out.json({ rows: shown.map(show.whole), totalNumber: totalNumber ?? null });
      else {
        for (const row of shown) out.json(show.brief(row));
        const more = (totalNumber ?? rows.length) - shown.length;
        if (more > 0) out.note(`${more} more; see them with --limit.`);
      }
      return EXIT.done;
    } finally {
      await cloud.close();
    }
  });
}

/** The text of a file, or of standard input for `-`. */
export async function textOf({ stdin }: Invocation, path: string): Promise<string> {
  if (path !== '-') {
    return readFile(path, 'utf8').catch((cause: unknown) => {
      throw new CourierError('NDI_E_USAGE', { detail: `${path} cannot be read.`, cause });
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

export async function objectOf(invocation: Invocation, path: string): Promise<object> {
  try {
    const value: unknown = JSON.parse(await textOf(invocation, path));
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    if (error instanceof CourierError) throw error;
  }
  throw new CourierError('NDI_E_USAGE', { detail: `${path} holds no JSON object.` });
}
