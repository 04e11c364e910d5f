/**
 * An NDI document: a JSON object, and the few facts of it that a transfer needs.
 * The text of a document is the truth; it is re-written only where a location must change.
 */

/** 16 hex digits, `_`, 16 hex digits. Two generators exist (MATLAB, Python); both make this form. */
export type NdiId = string;

/**
 * A JSON value in which NaN and ±Infinity are JavaScript numbers and number text that a double would change
 * is kept.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | RawNumber
  | JsonValue[]
  | { [key: string]: JsonValue };

/**
 * A number whose text a double cannot give back (`1e400`, `9007199254740993`, `1.10`). Made and read by the
 * codec only.
 */
export interface RawNumber {
  readonly rawJSON: string;
}

export type JsonObject = { [key: string]: JsonValue };

/** The parsed body of a document. */
export type NdiDocument = JsonObject;

/** One place where a binary lies. `uid` names the binary in the cloud and, for MATLAB, on disk. */
export interface FileLocation {
  readonly uid: string;
  readonly location: string;
  readonly locationType: string;
}

/** One binary that a document names; one-element arrays are already normalised. */
export interface DocumentFile {
  readonly name: string;
  readonly locations: readonly FileLocation[];
}

export interface Dependency {
  readonly name: string;
  /** May be empty: a dependency that points nowhere. */
  readonly value: string;
}

/** The facts of a document that transfers need. */
export interface DocumentFacts {
  readonly id: NdiId;
  readonly sessionId: string;
  readonly className: string;
  readonly name: string;
  readonly datestamp: string;
  /** Leaf names of all superclasses, without path and `.json`. */
  readonly superclasses: readonly string[];
  readonly dependsOn: readonly Dependency[];
  readonly files: readonly DocumentFile[];
  /**
   * Names of file series: files of `files` whose content is a manifest of further binaries. Absent for none.
   */
  readonly series?: readonly string[];
}
