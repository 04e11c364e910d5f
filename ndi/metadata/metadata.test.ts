import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { D, exampleDocuments, inTempDir } from '../../test/fixtures/dataset.ts';
import { openDataset } from '../dataset/read.ts';
import { createDataset, openForWriting } from '../dataset/write.ts';
import { newDocument } from '../document/classes.ts';
import type { JsonObject } from '../document/types.ts';
import { fromEditor, metadataFromDataset, metadataFromFile, validateMetadata } from './metadata.ts';

const structure: JsonObject = {
  DatasetFullName: 'Dataset: feeding of C. elegans',
  DatasetShortName: 'feeding',
  Description: ['How worms feed.'],
  License: 'CC-BY-4.0',
  Author: [
    {
      givenName: 'Jessica',
      familyName: 'Haley',
      authorRole: ['FirstAuthor', 'Corresponding'],
      digitalIdentifier: { identifier: '0000-0002-1825-0097' },
      contactInformation: { email: 'a@b.edu' },
    },
    { givenName: 'Ann', familyName: 'Other', authorRole: '', digitalIdentifier: { identifier: '' } },
  ],
  Funding: [{ funder: 'NIH' }, { funder: 'NSF' }, { funder: 'NIH' }],
  Subjects: [
    { SpeciesList: { Name: 'Caenorhabditis elegans' } },
    { SpeciesList: [{ Name: 'Caenorhabditis elegans' }, 'E. coli'] },
  ],
  RelatedPublication: {
    DOI: '10.7554/eLife.103191',
    Publication: 'Accept-reject decisions',
    PMID: '12345',
    PMCID: '',
  },
};

const metadata = {
  name: 'Dataset: feeding of C. elegans',
  branchName: 'feeding',
  abstract: 'How worms feed.',
  contributors: [
    { firstName: 'Jessica', lastName: 'Haley', orcid: '0000-0002-1825-0097' },
    { firstName: 'Ann', lastName: 'Other', orcid: '' },
  ],
  correspondingAuthors: [{ firstName: 'Jessica', lastName: 'Haley', orcid: '0000-0002-1825-0097' }],
  funding: [{ source: 'NIH' }, { source: 'NSF' }],
  license: 'CC-BY-4.0',
  species: 'Caenorhabditis elegans, E. coli',
  numberOfSubjects: 2,
  associatedPublications: [
    { DOI: '10.7554/eLife.103191', title: 'Accept-reject decisions', PMID: '12345', PMCID: '' },
  ],
};

const problems = (value: unknown): string => {
  try {
    validateMetadata(value);
  } catch (error) {
    expect(error).toMatchObject({ code: 'NDI_E_BAD_METADATA' });
    return (error as Error).message;
  }
  return '';
};

describe('dataset metadata', () => {
  it('the editor’s structure becomes the cloud’s fields', () => {
    expect(validateMetadata(fromEditor(structure))).toEqual(metadata);
    expect(fromEditor({ DatasetShortName: 'x', Author: {}, Subjects: [] })).toEqual({
      name: 'x',
      branchName: 'x',
      contributors: [{ firstName: '', lastName: '', orcid: '' }],
    });
  });

  it('the newest editor document of a dataset counts', () =>
    inTempDir((dir) => {
      createDataset(dir);
      const editor = (createdAt: number, metadata_structure: JsonObject) =>
        newDocument('metadata_editor', {
          sessionId: D,
          createdAt,
          values: { metadata_editor: { metadata_structure } },
        });
      const read = () => {
        const reader = openDataset(dir);
        try {
          return metadataFromDataset(reader);
        } finally {
          reader.close();
        }
      };
      const writer = openForWriting(dir);
      writer.addDocuments(exampleDocuments(dir));
      expect(read()).toBeUndefined();
      writer.addDocuments([editor(2_000, structure), editor(1_000, { DatasetFullName: 'old' })]);
      expect(read()).toEqual(metadata);
      writer.addDocuments([editor(3_000, { ...structure, DatasetFullName: '', DatasetShortName: '' })]);
      expect(read).toThrow(expect.objectContaining({ code: 'NDI_E_BAD_METADATA' }));
      writer.close();
    }));

  it('all problems are named at once', () => {
    const text = problems({
      contributors: [{ firstName: 'A', lastName: '', orcid: '0000-0002-1825-0098' }, { firstName: 'B' }],
      associatedPublications: [{ DOI: 'see paper', PMCID: '77' }],
      numberOfSubjects: -1,
      titel: 'x',
    });
    for (const part of [
      'name: name is missing',
      'contributors[1].lastName: lastName is empty',
      'contributors[1].orcid: is not an ORCID iD',
      'contributors[2].lastName: lastName is missing',
      'associatedPublications[1].DOI: is not a DOI',
      'associatedPublications[1].PMCID: is not a PubMed Central number',
      'numberOfSubjects: is negative',
      'titel: is not a known field',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('a name is enough; ORCID iDs and DOIs come in their usual spellings', () => {
    expect(validateMetadata({ name: ' x ' })).toEqual({ name: 'x' });
    for (const orcid of ['', '0000-0002-1825-0097', 'https://orcid.org/0000-0002-1694-233X']) {
      expect(problems({ name: 'x', correspondingAuthors: [{ firstName: 'a', lastName: 'b', orcid }] })).toBe(
        '',
      );
    }
    for (const doi of ['10.1000/1', 'https://doi.org/10.1000/1', 'doi:10.1000/1'])
      expect(problems({ name: 'x', doi })).toBe('');
    expect(problems({ name: 'x', doi: 'https://doi.org://10.1000/123456789' })).toContain(
      'doi: is not a DOI',
    );
    expect(problems('x')).toContain('expected object');
  });

  it('a file is read or refused with its name', () =>
    inTempDir((dir) => {
      const path = join(dir, 'm.json');
      writeFileSync(path, JSON.stringify(metadata));
      expect(metadataFromFile(path)).toEqual(metadata);
      writeFileSync(path, '{"name":');
      expect(() => metadataFromFile(path)).toThrow(/m\.json: /);
      expect(() => metadataFromFile(join(dir, 'none.json'))).toThrow(/none\.json: there is no such file/);
      expect(() => metadataFromFile(join(dir, 'none.json'))).toThrow(
        expect.objectContaining({ code: 'NDI_E_BAD_METADATA' }),
      );
    }));
});
