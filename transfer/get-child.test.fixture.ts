/**
 * A process that downloads one object with a journal on disk, to be killed by a test: `node get-child… URL
 * TARGET JOURNAL OPTIONS`.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getToFile } from './get.ts';
import type { GetOptions, PartJournal } from './types.ts';

const [url = '', target = '', journalPath = '', options = '{}'] = process.argv.slice(2);

const journal: PartJournal = {
  load: () => {
    if (!existsSync(journalPath)) return undefined;
    const [plan = '', ...done] = readFileSync(journalPath, 'utf8').split('\n').slice(0, -1);
    return { ...JSON.parse(plan), done: done.map(Number) };
  },
  begin: (plan) => writeFileSync(journalPath, `${JSON.stringify(plan)}\n`),
  markDone: (part) => appendFileSync(journalPath, `${part}\n`),
  clear: () => rmSync(journalPath, { force: true }),
};
const result = await getToFile(url, target, { ...(JSON.parse(options) as GetOptions), journal });
process.stdout.write(JSON.stringify(result));
