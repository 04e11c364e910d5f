/** The declaration of a run type: pure data that workflows, activities, clients and docs read. */

export interface OperationSpec {
  /** Workflow type: the name of the exported workflow function. */
  readonly workflow: string;
  /** In a sentence: "The upload is done." */
  readonly noun: string;
  /** Before a dataset's name in lists and in Temporal's pages: "Upload Ferret 17". */
  readonly title: string;
  /**
   * The workflow id, which is the run's lock: `upload/{ndiDatasetId}@{site}`. Fields but the last hold no
   * delimiter that follows them; of a very long last field only the end is kept, which is the part that
   * differs.
   */
  readonly id: string;
  /**
   * Phases in their order, each with what a person reads. The phases in which a run ends are common to all.
   */
  readonly phases: Readonly<Record<string, string>>;
  /** The counters of the run, in display order: the key in progress and result, and its word. */
  readonly counters: Readonly<Record<string, string>>;
  /** For `--help`, docs and the list of saved filters. One sentence. */
  readonly summary: string;
}

/** Temporal refuses identifiers over 1,000 characters, and SQL visibility over 255. */
const MAX_ID_LENGTH = 240;

const FIELD = /\{(\w+)\}/g;

/** Fills the fields of `spec.id`. */
export function makeWorkflowId(spec: OperationSpec, fields: Readonly<Record<string, string>>): string {
  const names = fieldsOf(spec);
  const last = names.at(-1);
  const head = spec.id.replace(FIELD, (_, name: string) => (name === last ? '' : (fields[name] ?? '')));
  const value = last === undefined ? '' : (fields[last] ?? '');
  return head + value.slice(Math.max(0, value.length - (MAX_ID_LENGTH - head.length)));
}

/** The fields of a workflow id of this run type; undefined for an id of another one. */
export function parseWorkflowId(spec: OperationSpec, workflowId: string): Record<string, string> | undefined {
  const names = fieldsOf(spec);
  const pattern = spec.id
    .split(/\{\w+\}/)
    .map((literal) => literal.replace(/[^\w/]/g, '\\$&'))
    .join('(.+?)');
  const match = new RegExp(`^${pattern}$`, 's').exec(workflowId);
  return match === null
    ? undefined
    : Object.fromEntries(names.map((name, i) => [name, match[i + 1] as string]));
}

const fieldsOf = (spec: OperationSpec): string[] =>
  [...spec.id.matchAll(FIELD)].map((match) => match[1] as string);
