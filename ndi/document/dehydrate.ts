/**
 * The only edits a transfer makes to a document: where its binaries lie. All of them return a new document.
 *
 * Bodies that the cloud returns one by one carry presigned URLs in place of the stored locations
 * (NDI Cloud contract §4.2); those must never be stored, compared or logged.
 */
import { isCloudId } from '../ids.ts';
import { asArray, asObject, asText } from './describe.ts';
import type { JsonObject, JsonValue } from './types.ts';

/** As S3 and CloudFront sign for the cloud. An author's own `?token=` is none of these. */
const SIGNED = /[?&](?:x-amz-(?:signature|credential|security-token)|awsaccesskeyid|key-pair-id)=/i;

/** Where a binary of this uid and logical name lies; undefined when it is not here. */
export type FilePathOf = (uid: string, name: string) => string | undefined;

/**
 * The document without what the cloud added: signed URLs (the location becomes empty, its uid stays) and the
 * record's own id at the top. A `url` location that the cloud did not sign is the author's and stays.
 */
export function dehydrate(document: JsonObject): JsonObject {
  const stripped = mapLocations(document, (location) =>
    isHydrated(location) ? { ...location, location: '' } : location,
  );
  const { id, _id, ...body } = stripped;
  return {
    ...body,
    ...(id !== undefined && !isCloudId(asText(id)) ? { id } : {}),
    ...(_id !== undefined && !isCloudId(asText(_id)) ? { _id } : {}),
  };
}

const isWebAddress = (location: JsonObject): boolean => /^https?:\/\//i.test(asText(location.location));

function isHydrated(location: JsonObject): boolean {
  if (!isWebAddress(location)) return false;
  return asText(location.location_type) !== 'url' || SIGNED.test(asText(location.location));
}

/** Where the author says that the binary lies, for everybody: nothing to fetch and nothing to replace. */
const isAuthors = (location: JsonObject): boolean => isWebAddress(location) && !isHydrated(location);

/**
 * For a download with files: every location whose binary is here points at it, as MATLAB expects of an
 * ingested file. `delete_original` is 0: with 1, a later ingest by MATLAB would delete the only copy. A
 * location whose binary is not here, or that is an author's own address, stays as it was, without the cloud's
 * URL.
 */
export const toLocal = (document: JsonObject, filePathOf: FilePathOf): JsonObject =>
  mapLocations(dehydrate(document), (location, name) => {
    const uid = asText(location.uid);
    const path = uid === '' || isAuthors(location) ? undefined : filePathOf(uid, name);
    return path === undefined ? location : withPlace(location, path, 'file', 1);
  });

/**
 * For a download without files: every location with a uid becomes `ndic://<cloud dataset>/<uid>` (dataset
 * format §4), but for an author's own address whose binary the cloud does not have: `ndic://` would lead
 * nowhere.
 */
export const toNdic = (
  document: JsonObject,
  cloudDatasetId: string,
  isInCloud: (uid: string) => boolean = () => true,
): JsonObject =>
  mapLocations(dehydrate(document), (location) => {
    const uid = asText(location.uid);
    if (uid === '' || (isAuthors(location) && !isInCloud(uid))) return location;
    return withPlace(location, `ndic://${cloudDatasetId}/${uid}`, 'ndicloud', 0);
  });

/** Where the binary of a location is from now on; undefined leaves the location as it is. */
export type NewPlace = { readonly path: string } | { readonly ndic: string } | undefined;

/**
 * Lets single locations point elsewhere: at a path here, or at a cloud dataset. All others stay as they are.
 */
export const moveLocations = (document: JsonObject, placeOf: (uid: string) => NewPlace): JsonObject =>
  mapLocations(document, (location) => {
    const uid = asText(location.uid);
    const place = uid === '' ? undefined : placeOf(uid);
    if (place === undefined) return location;
    return 'path' in place
      ? withPlace(location, place.path, 'file', 1)
      : withPlace(location, `ndic://${place.ndic}/${uid}`, 'ndicloud', 0);
  });

/** All six members, always: MATLAB needs the same field set in every element. */
function withPlace(
  location: JsonObject,
  place: string,
  type: 'file' | 'ndicloud',
  ingest: 0 | 1,
): JsonObject {
  return {
    ...location,
    delete_original: 0,
    uid: location.uid ?? '',
    location: place,
    parameters: location.parameters ?? '',
    location_type: type,
    ingest,
  };
}

/**
 * Documents without files come back as they are. Locations become an array: Python cannot read a bare object
 * here.
 */
function mapLocations(
  document: JsonObject,
  edit: (location: JsonObject, fileName: string) => JsonObject,
): JsonObject {
  const files = asObject(document.files);
  if (files.file_info === undefined) return document;
  const editFile = (entry: JsonValue): JsonValue => {
    const file = asObject(entry);
    if (file.locations === undefined) return entry;
    const name = asText(file.name);
    return { ...file, locations: asArray(file.locations).map((value) => edit(asObject(value), name)) };
  };
  const info = files.file_info;
  return {
    ...document,
    files: { ...files, file_info: Array.isArray(info) ? info.map(editFile) : editFile(info) },
  };
}
