/** Lists that come in pages, and the one rule for their end. */
import type { Page, PageQuery } from './types.ts';

/**
 * Every page of a list. An empty page ends it. A page shorter than asked for ends it only where the server's total agrees, as a server
 * may cut pages; a total may be too small on a lagging replica (contract §3.4), so it never ends a list by itself.
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
    const isShort = rows.length < pageSize;
    if (rows.length === 0 || (isShort && (totalNumber === undefined || seen >= totalNumber))) return;
  }
}
