/** The cloud's description of a dataset (NDI Cloud contract §8.1), as far as a lab writes it. */
import { z } from 'zod';

const text = z.string().trim();
const required = (what: string): z.ZodString =>
  z
    .string({ error: `${what} is missing` })
    .trim()
    .min(1, `${what} is empty`);

/** Bare (`0000-0002-1825-0097`), as an address, or empty. The last sign is a checksum (ISO 7064 11,2). */
export const orcid = text.refine(isOrcid, 'is not an ORCID iD, e.g. 0000-0002-1825-0097');

function isOrcid(value: string): boolean {
  if (value === '') return true;
  const digits = /^(?:https?:\/\/orcid\.org\/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])$/i
    .exec(value)?.[1]
    ?.replaceAll('-', '');
  if (digits === undefined) return false;
  let total = 0;
  for (const digit of digits.slice(0, -1)) total = (total + Number(digit)) * 2;
  const check = (12 - (total % 11)) % 11;
  return digits.at(-1)?.toUpperCase() === (check === 10 ? 'X' : String(check));
}

/** `10.1234/abc`, bare, as an address or with `doi:`; or empty. */
const doi = text.refine(
  (value) => value === '' || /^(?:https?:\/\/(?:dx\.)?doi\.org\/|doi:)?10\.\d{4,9}\/\S+$/i.test(value),
  'is not a DOI, e.g. 10.1038/s41586-020-2649-2',
);

const person = { firstName: required('firstName'), lastName: required('lastName'), orcid: orcid.default('') };

export const metadataSchema = z.strictObject({
  /** The full title; the only field that the cloud demands. */
  name: required('name'),
  branchName: text.optional(),
  abstract: text.optional(),
  description: text.optional(),
  contributors: z.array(z.strictObject({ ...person, contact: text.optional() })).optional(),
  correspondingAuthors: z.array(z.strictObject(person)).optional(),
  funding: z.array(z.strictObject({ source: required('source') })).optional(),
  associatedPublications: z
    .array(
      z.strictObject({
        DOI: doi.default(''),
        title: text.default(''),
        PMID: text.regex(/^\d*$/, 'is not a PubMed number').default(''),
        PMCID: text.regex(/^(?:PMC\d+)?$/i, 'is not a PubMed Central number, e.g. PMC1234567').default(''),
      }),
    )
    .optional(),
  doi: doi.optional(),
  license: text.optional(),
  affiliation: text.optional(),
  species: text.optional(),
  brainRegions: text.optional(),
  pubMedId: text.optional(),
  numberOfSubjects: z.int('is not a whole number').min(0, 'is negative').optional(),
  neurons: z.int('is not a whole number').min(0, 'is negative').optional(),
});

export type DatasetMetadata = z.output<typeof metadataSchema>;
