import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as workflows from './index.ts';
import {
  OPERATIONS,
  operationNames,
  operationSpec,
  parseRunId,
  phaseText,
  workflowIdOf,
} from './operations.ts';

const ndiId = fc.stringMatching(/^[0-9a-f]{16}_[0-9a-f]{16}$/);
const cloudId = fc.stringMatching(/^[0-9a-f]{24}$/);
const site = fc.stringMatching(/^[a-z0-9-]{1,40}$/);

describe('the table of run types', () => {
  it('names an exported workflow for each run type', () => {
    expect(Object.keys(workflows).sort()).toEqual(
      operationNames.map((name) => OPERATIONS[name].workflow).sort(),
    );
  });

  it('gives workflow ids that its parser reads back', () => {
    fc.assert(
      fc.property(
        ndiId,
        cloudId,
        site,
        fc.string({ minLength: 1, maxLength: 60 }),
        (id, cloud, where, path) => {
          const target = `/${path}`;
          expect(parseRunId(workflowIdOf('upload', { ndiDatasetId: id, site: where }))).toEqual({
            operation: 'upload',
            fields: { ndiDatasetId: id, site: where },
          });
          expect(
            parseRunId(workflowIdOf('download', { cloudDatasetId: cloud, site: where, target })),
          ).toEqual({
            operation: 'download',
            fields: { cloudDatasetId: cloud, site: where, target },
          });
        },
      ),
    );
  });

  it('keeps the end of a long path, which is the part that differs, within 240 characters', () => {
    const target = `/${'x'.repeat(400)}/a`;
    const id = workflowIdOf('download', { cloudDatasetId: 'c'.repeat(24), site: 'lab', target });
    expect(id).toHaveLength(240);
    expect(id.endsWith('x/a')).toBe(true);
  });

  it('knows nothing of a run type of another version, and shows its phases as they are', () => {
    expect(parseRunId('sequence/1234@lab')).toBeUndefined();
    expect(operationSpec('sequence')).toBeUndefined();
    expect(operationSpec('toString')).toBeUndefined();
    expect(phaseText('sequence', 'aligning')).toBe('aligning');
    expect(phaseText('upload', 'linking')).toBe('Finding or creating the cloud dataset');
    expect(phaseText('upload', 'done')).toBe('Done');
  });
});
