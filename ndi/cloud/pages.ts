/** Lists that come in pages: how an answer is read as one page, and the one rule for the end of the list. */
import { z } from 'zod';
import { optionalNumber, requiredListOf } from './answers.ts';
import type { Page, PageQuery } from './types.ts';

/**
 * Every page of a list. An empty page ends it. A page that is shorter than asked for, and than the server
 * makes pages, ends it only where the server's total agrees: a server may cut pages. A total may be too small
 * on a lagging replica (contract §3.4), so a total never ends a list alone.
 */
export async function* eachPage<Row>(
  pageSize: number,
  ask: (query: PageQuery) => Promise<Page<Row>>,
): AsyncGenerator<Page<Row>> {
  let seen = 0;
  for (let page = 1; ; page += 1) {
    const answer = await ask({ page, pageSize });
    const { rows, totalNumber } = answer;
    seen += rows.length;
    if (rows.length > 0) yield answer;
    const isShort = rows.length < Math.min(pageSize, answer.pageSize);
    if (rows.length === 0 || (isShort && (totalNumber === undefined || seen >= totalNumber))) return;
  }
}

/** A page whose rows are under `key`; totals have three names (§2.6). */
export const pageOf = <Row extends z.ZodType>(
  key: string,
  row: Row,
  asked: { page: number; pageSize: number },
) =>
  z
    .looseObject({
      [key]: requiredListOf(row),
      page: optionalNumber,
      pageSize: optionalNumber,
      number_matches: optionalNumber,
      totalItems: optionalNumber,
      totalNumber: optionalNumber,
    })
    .transform((answer): Page<z.output<Row>> => {
      const found = answer as Record<string, unknown>;
      const total = found.number_matches ?? found.totalItems ?? found.totalNumber;
      return {
        rows: found[key] as z.output<Row>[],
        page: (found.page as number | undefined) ?? asked.page,
        pageSize: (found.pageSize as number | undefined) ?? asked.pageSize,
        totalNumber: total as number | undefined,
      };
    });
