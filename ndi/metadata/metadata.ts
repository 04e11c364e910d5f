/**
 * The metadata of a new cloud dataset: from the metadata-editor document of a dataset, or from a JSON file.
 *
 * The mapping is that of the MATLAB client (NDI Cloud contract §8.2) without its slips: the key is `orcid`,
 * not `orchid`; funding is a list, not one object; no placeholder DOI is sent.
 */
import { readFileSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import type { DatasetReader } from '../dataset/types.ts';
import { parseDocument } from '../document/codec.ts';
import { asArray, asObject, asText } from '../document/describe.ts';
import type { JsonObject, JsonValue } from '../document/types.ts';
import { type DatasetMetadata, metadataSchema } from './types.ts';

export type { DatasetMetadata } from './types.ts';

const MAX_FILE_BYTES = 5_000_000;

/** @throws NDI_E_BAD_METADATA with every problem in one message */
export function validateMetadata(value: unknown): DatasetMetadata {
  const result = metadataSchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap(problemsOf);
  throw new CourierError('NDI_E_BAD_METADATA', { detail: `${problems.join('; ')}.` });
}

function problemsOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key + 1}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${path === '' ? key : `${path}.${key}`}: is not a known field`);
  }
  return [`${path === '' ? 'the file' : path}: ${issue.message}`];
}

/** The metadata in a JSON file. @throws NDI_E_BAD_METADATA, also when the file cannot be read */
export function metadataFromFile(path: string): DatasetMetadata {
  let value: unknown;
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error('the file is larger than 5 MB');
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    const words = cause instanceof Error ? cause.message : String(cause);
    const why = code === 'ENOENT' ? 'there is no such file' : words;
    throw new CourierError('NDI_E_BAD_METADATA', { detail: `${path}: ${why}.`, cause });
  }
  return validateMetadata(value);
}

/**
 * The metadata of a dataset's metadata-editor document, the newest if there are several; undefined when it
 * has none.
 * @throws NDI_E_BAD_METADATA when the document's content is not acceptable
 */
export function metadataFromDataset(reader: DatasetReader): DatasetMetadata | undefined {
  let newest: { readonly datestamp: string; readonly structure: JsonObject } | undefined;
  for (const { text } of reader.documents()) {
    // Cheaper than parsing: every document of the class holds its name.
    if (!text.includes('"metadata_editor"')) continue;
    const document = tryParse(text);
    if (asText(asObject(document?.document_class).class_name) !== 'metadata_editor') continue;
    const datestamp = asText(asObject(document?.base).datestamp);
    const structure = asObject(asObject(document?.metadata_editor).metadata_structure);
    if (newest === undefined || datestamp >= newest.datestamp) newest = { datestamp, structure };
  }
  if (newest === undefined || Object.keys(newest.structure).length === 0) return undefined;
  return validateMetadata(fromEditor(newest.structure));
}

function tryParse(text: string): JsonObject | undefined {
  try {
    return parseDocument(text);
  } catch {
    return undefined;
  }
}

/** The editor's structure in the cloud's field names. Empty fields are left out. */
export function fromEditor(structure: JsonObject): JsonObject {
  const authors = asArray(structure.Author).map((value) => asObject(value));
  const contributors = authors.map(personOf);
  const corresponding = authors
    .filter((author) => asArray(author.authorRole).some((role) => asText(role) === 'Corresponding'))
    .map(personOf);
  const subjects = asArray(structure.Subjects).map((value) => asObject(value));
  const species = unique(subjects.flatMap((subject) => asArray(subject.SpeciesList).map(nameOf)));
  return withoutEmpty({
    name: asText(structure.DatasetFullName) || asText(structure.DatasetShortName),
    branchName: asText(structure.DatasetShortName),
    abstract: asText(asArray(structure.Description)[0]),
    contributors,
    correspondingAuthors: corresponding,
    funding: unique(asArray(structure.Funding).map((value) => asText(asObject(value).funder))).map(
      (source) => ({ source }),
    ),
    license: asText(structure.License),
    species: species.join(', '),
    ...(subjects.length > 0 ? { numberOfSubjects: subjects.length } : {}),
    associatedPublications: asArray(structure.RelatedPublication)
      .map((value) => publicationOf(asObject(value)))
      .filter((publication) => Object.values(publication).some((member) => member !== '')),
  });
}

const personOf = (author: JsonObject): JsonObject => ({
  firstName: asText(author.givenName),
  lastName: asText(author.familyName),
  orcid: asText(asObject(author.digitalIdentifier).identifier),
});

const publicationOf = (publication: JsonObject): JsonObject => ({
  DOI: asText(publication.DOI),
  title: asText(publication.Publication),
  PMID: asText(publication.PMID),
  PMCID: asText(publication.PMCID),
});

/** A species is an object with a name, or just the name. */
const nameOf = (value: JsonValue): string => {
  const species = asObject(value);
  return asText(value) || asText(species.Name) || asText(species.name);
};

const unique = (values: readonly string[]): string[] => [...new Set(values.filter((value) => value !== ''))];

const withoutEmpty = (object: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) => value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  );
