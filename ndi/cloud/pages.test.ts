import { describe, expect, it } from 'vitest';
import { eachPage } from './pages.ts';
import type { Page, PageQuery } from './types.ts';

/** Reads a list whose server gives these pages, and empty ones after them. */
async function read(
  pageSize: number,
  pages: ReadonlyArray<{ rows: number[]; total?: number; serverPageSize?: number }>,
): Promise<{ rows: number[]; asked: PageQuery[] }> {
  const asked: PageQuery[] = [];
  const rows: number[] = [];
  const ask = async (query: PageQuery): Promise<Page<number>> => {
    asked.push(query);
    const page = pages[query.page - 1];
    return {
      rows: page?.rows ?? [],
      page: query.page,
      pageSize: page?.serverPageSize ?? query.pageSize,
      totalNumber: page?.total,
    };
  };
  for await (const page of eachPage(pageSize, ask)) rows.push(...page.rows);
  return { rows, asked };
}

describe('eachPage', () => {
  it('ends with a short page where the total agrees', async () => {
    const { rows, asked } = await read(2, [
      { rows: [1, 2], total: 3 },
      { rows: [3], total: 3 },
    ]);
    expect(rows).toEqual([1, 2, 3]);
    expect(asked).toEqual([
      { page: 1, pageSize: 2 },
      { page: 2, pageSize: 2 },
    ]);
  });

  it('goes on behind a short page where the total says that rows are missing', async () => {
    const { rows, asked } = await read(3, [
      { rows: [1, 2], total: 4 },
      { rows: [3, 4], total: 4 },
    ]);
    expect(rows).toEqual([1, 2, 3, 4]);
    expect(asked).toHaveLength(2);
  });

  it('goes on behind a full page whatever the total says, which a lagging replica gives too small', async () => {
    const { rows } = await read(2, [
      { rows: [1, 2], total: 2 },
      { rows: [3], total: 2 },
    ]);
    expect(rows).toEqual([1, 2, 3]);
  });

  it('ends with a short page of a server that gives no total', async () => {
    const { rows, asked } = await read(2, [{ rows: [1, 2] }, { rows: [3] }, { rows: [4] }]);
    expect(rows).toEqual([1, 2, 3]);
    expect(asked).toHaveLength(2);
  });

  it('takes a page for full that is as long as the server makes pages', async () => {
    const { rows } = await read(3, [
      { rows: [1, 2], serverPageSize: 2 },
      { rows: [3], serverPageSize: 2 },
    ]);
    expect(rows).toEqual([1, 2, 3]);
  });

  it('ends with an empty page although the total promises more', async () => {
    const { rows, asked } = await read(2, [{ rows: [1, 2], total: 9 }]);
    expect(rows).toEqual([1, 2]);
    expect(asked).toHaveLength(2);
  });
});
