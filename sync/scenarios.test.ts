/** The table of scenarios, word by word: a change of a rule changes a line here. */
import { describe, expect, it } from 'vitest';
import { scenarios } from './scenarios.ts';

const rows = [...scenarios()].map(({ local, cloud, isBaseLost, byMode, withDeletes, byPolicy }) => [
  `${local} / ${cloud}${isBaseLost ? ' / base lost' : ''}`,
  Object.values(byMode)
    .map(({ action }) => action)
    .join(' '),
  withDeletes.action,
  byPolicy === undefined
    ? ''
    : Object.values(byPolicy)
        .map(({ action }) => action)
        .join(' '),
]);

describe('the table of scenarios', () => {
  it('says for two-way, download-new, upload-new and the mirrors from and to the cloud', () => {
    expect(rows).toEqual([
      ['same / same', 'none none none none none', 'none', ''],
      ['same / same / base lost', 'agree agree agree agree agree', 'agree', ''],
      ['same / edited', 'update-local list list update-local update-cloud', 'update-local', ''],
      [
        'same / edited / base lost',
        'conflict list list update-local update-cloud',
        'conflict',
        'conflict keep-both update-cloud update-local merge',
      ],
      ['same / deleted', 'list list list delete-local upload', 'delete-local', ''],
      ['same / deleted / base lost', 'upload list upload list upload', 'upload', ''],
      ['edited / same', 'update-cloud list list update-local update-cloud', 'update-cloud', ''],
      [
        'edited / same / base lost',
        'conflict list list update-local update-cloud',
        'conflict',
        'conflict keep-both update-cloud update-local merge',
      ],
      [
        'edited / edited',
        'conflict list list update-local update-cloud',
        'conflict',
        'conflict keep-both update-cloud update-local merge',
      ],
      [
        'edited / edited / base lost',
        'conflict list list update-local update-cloud',
        'conflict',
        'conflict keep-both update-cloud update-local merge',
      ],
      [
        'edited / deleted',
        'conflict list list conflict upload',
        'conflict',
        'conflict upload upload conflict conflict',
      ],
      ['edited / deleted / base lost', 'upload list upload list upload', 'upload', ''],
      ['deleted / same', 'list list list download delete-cloud', 'delete-cloud', ''],
      ['deleted / same / base lost', 'download download list download list', 'download', ''],
      [
        'deleted / edited',
        'conflict list list download conflict',
        'conflict',
        'conflict download conflict download conflict',
      ],
      ['deleted / edited / base lost', 'download download list download list', 'download', ''],
      ['deleted / deleted', 'forget forget forget forget forget', 'forget', ''],
      ['new / absent', 'upload list upload delete-local upload', 'upload', ''],
      ['absent / new', 'download download list download delete-cloud', 'download', ''],
      ['new / new', 'agree agree agree agree agree', 'agree', ''],
      [
        'new / new, another text',
        'conflict list list update-local update-cloud',
        'conflict',
        'conflict keep-both update-cloud update-local merge',
      ],
    ]);
  });
});
