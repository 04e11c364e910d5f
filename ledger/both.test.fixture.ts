/** For tests of this room: the verbs of the tables beside the ledger that other rooms see, on one file. */
import type { Ledger } from './ledger.ts';
import { openLedger, openVerbs } from './open.ts';
import type { LedgerVerbs } from './verbs.ts';

export type Both = LedgerVerbs & Pick<Ledger, 'run' | 'lease' | 'facts'>;

export function openBoth(path: string): Both {
  const { verbs } = openVerbs(path);
  const ledger = openLedger(path);
  return {
    ...verbs,
    run: ledger.run,
    lease: ledger.lease,
    facts: ledger.facts,
    close: () => {
      verbs.close();
      ledger.close();
    },
  };
}
