/**
 * Every option of starting a run, declared once: what it means, its unit and its default. From here come the
 * flags of the command line, the lines of the configuration file, the environment variables, the tables in
 * `docs/cli.md`, and the checked input of the typed library.
 *
 *   uploadOptions, downloadOptions   what a run is started with
 *   followOptions                    how a command waits for a run
 *   resolveOptions                   given by the caller → environment → configuration file → default
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import { isEverything, type Selection } from '../ndi/dataset/selection.ts';
import { CLOUD_ID } from '../ndi/ids.ts';
import {
  DEFAULT_TUNING,
  TUNING,
  type Tuning,
  type TuningKey,
  type TuningSpec,
  tuningKeys,
} from '../workflows/contracts/index.ts';

/** The description of an option besides its type. */
export interface OptionMeta {
  readonly help: string;
  /** How the flag is written: `-o, --output <FILE>`. Without it the key makes it: `asNew` → `--as-new`. */
  readonly flags?: string;
  /** The name of the value in help: `--window <N>`. */
  readonly value?: string;
  /** A flag that can also be switched off: `--wait` and `--no-wait`. */
  readonly negatable?: boolean;
  /** Read when the option is not given; `undefined` from `read` means "says nothing". */
  readonly env?: { readonly name: string; readonly read?: (value: string) => unknown };
  /** Where the default is not a value: "the only one of the account". */
  readonly defaultText?: string;
  /** Heading in help under which the option stands. */
  readonly group?: string;
  /** Not an option of the command line: the library alone takes it. */
  readonly libraryOnly?: boolean;
}

export const optionRegistry = z.registry<OptionMeta>();

/** Declares one option. */
export function option<Schema extends z.ZodType>(schema: Schema, meta: OptionMeta): Schema {
  if (optionRegistry.has(schema)) throw new Error(`one schema for two options: ${meta.help}`);
  optionRegistry.add(schema, meta);
  return schema;
}

const id24 = z.string().regex(CLOUD_ID, 'must be a cloud id of 24 hexadecimal digits');
const nonEmpty = z.string().trim().min(1, 'must not be empty');

/** Whom to be at NDI Cloud. Common to everything that asks the cloud. */
export const accountShape = {
  profile: option(nonEmpty.optional(), {
    help: 'Cloud account to use, by the name it has in `ndi-courier profile list`.',
    value: 'NAME',
    env: { name: 'NDI_COURIER_PROFILE' },
    defaultText: 'NDI_CLOUD_* variables, else the default profile',
  }),
};

const organizationOption = option(id24.optional(), {
  help: 'Organisation that owns a newly created cloud dataset.',
  value: 'ID',
  env: { name: 'NDI_CLOUD_ORGANIZATION_ID' },
  defaultText: 'the only one of the account',
});

/** One flag and one key of `config.json` per tuning number. The limits are those of `TUNING`. */
function tuningFlag<Key extends TuningKey>(key: Key) {
  const { unit, min, max, help }: TuningSpec = TUNING[key];
  const inWords = `must be a whole number of ${unit} from ${min} to ${max}`;
  const schema = z.coerce.number(inWords).int(inWords).min(min, inWords).max(max, inWords);
  return option(schema.default(TUNING[key].default), {
    help: `${help} ${min} to ${max}.`,
    value: UNIT_VALUES[unit],
    ...(key === 'window' ? {} : { group: 'Tuning' }),
  });
}

const UNIT_VALUES: Readonly<Record<TuningSpec['unit'], string>> = {
  units: 'N',
  bytes: 'BYTES',
  documents: 'N',
  files: 'N',
  ms: 'MS',
  events: 'N',
};

const tuningFlags = <Key extends TuningKey>(keys: readonly Key[]) =>
  Object.fromEntries(keys.map((key) => [key, tuningFlag(key)])) as {
    readonly [K in Key]: ReturnType<typeof tuningFlag>;
  };

/** Tuning numbers by name, all or some; scripts of release 0.1 give them so. */
export const tuningOption = option(
  z
    .strictObject(
      Object.fromEntries(
        tuningKeys.map((key) => [key, z.number().int().min(TUNING[key].min).max(TUNING[key].max).optional()]),
      ),
      {
        error: ({ code, keys }) =>
          code === 'unrecognized_keys'
            ? `there is no tuning number ${(keys as string[]).join(', ')}`
            : undefined,
      },
    )
    .optional(),
  { help: 'Tuning numbers by name, as single options have them.', libraryOnly: true },
);

/** Common to every run that transfers. */
export const commonTuning = tuningFlags([
  'window',
  'filesPerUnit',
  'fileBytesPerUnit',
  'documentsPerUnit',
  'importQuietMs',
  'pollMinMs',
  'pollMaxMs',
  'siteTimeoutMs',
  'heartbeatTimeoutMs',
  'activityTimeoutMs',
  'unitsPerExecution',
  'parkedEventsPerExecution',
]);

/** The tuning of a run: single options, then those in `tuning`, then the defaults. */
export function tuningOf(
  settings: Readonly<Record<string, unknown>> & { readonly tuning?: object | undefined },
): Tuning {
  const single = tuningKeys.filter((key) => settings[key] !== undefined).map((key) => [key, settings[key]]);
  return { ...DEFAULT_TUNING, ...(Object.fromEntries(single) as Partial<Tuning>), ...settings.tuning };
}

/** A new schema for each option: what is said of an option is kept by its schema. */
const someTexts = () => z.union([z.array(nonEmpty), nonEmpty.transform((text) => [text])]).default([]);

/** Which documents are meant. Conditions of different kinds must all hold; of one kind, one is enough. */
export const selectionShape = {
  document: option(someTexts(), {
    help: 'Only these documents, by NDI id.',
    flags: '--document <ID...>',
    defaultText: 'all',
  }),
  class: option(someTexts(), {
    help: 'Only documents of these classes and their subclasses.',
    flags: '--class <NAME...>',
    defaultText: 'all',
  }),
  session: option(someTexts(), {
    help: 'Only documents of these sessions, by reference or id.',
    flags: '--session <REF...>',
    defaultText: 'all',
  }),
};

export interface SelectionOptions {
  /** NDI ids. */
  readonly document?: readonly string[];
  /** Class names; subclasses are meant, too. */
  readonly class?: readonly string[];
  /** References or ids of sessions. */
  readonly session?: readonly string[];
}

/** Null when nothing is selected: then everything is meant. */
export function selectionOf(settings: SelectionOptions): Selection | null {
  const { document: documents = [], class: classes = [], session: sessions = [] } = settings;
  const selection = { documents, classes, sessions };
  return isEverything(selection) ? null : selection;
}

export const uploadOptions = z
  .object({
    new: option(nonEmpty.optional(), {
      help: 'Create the cloud dataset under this name when the dataset is not linked to one yet.',
      value: 'NAME',
      defaultText: 'the name in the metadata, else the dataset’s reference',
    }),
    to: option(id24.optional(), {
      help: 'Upload into this cloud dataset, whatever the dataset is linked to.',
      value: 'ID',
      defaultText: 'the linked one',
    }),
    asNew: option(z.boolean().default(false), {
      help: 'Forget the link and create another cloud dataset.',
    }),
    strategy: option(z.enum(['zip', 'serial']).default('zip'), {
      help: 'Send documents in ZIP archives, or one request each.',
      env: {
        name: 'NDI_CLOUD_UPLOAD_NO_ZIP',
        // MATLAB knows only `true`, Python also 1 and yes (NDI Cloud contract §1.3).
        read: (value) => (/^(true|1|yes)$/i.test(value.trim()) ? 'serial' : undefined),
      },
    }),
    onChange: option(z.enum(['list', 'replace']).default('list'), {
      help: 'Items that were changed here since both sides agreed: list them, or replace the cloud’s. What was changed in the cloud is never overwritten.',
    }),
    verify: option(z.enum(['content', 'ids']).default('content'), {
      help: 'content reads back and compares what was sent; ids only looks for it in the cloud’s list, which proves no content.',
    }),
    metadata: option(nonEmpty.optional(), {
      help: 'JSON file with the metadata for creation.',
      value: 'FILE',
      defaultText: 'the metadata-editor document of the dataset',
    }),
    ...accountShape,
    organization: organizationOption,
    ...commonTuning,
    ...tuningFlags(['zipBytes', 'zipFiles', 'documentBytesPerUnit']),
    tuning: tuningOption,
  })
  .strict();

export const downloadOptions = z
  .object({
    mode: option(z.enum(['local', 'hybrid']).default('local'), {
      help: 'local brings the binaries; hybrid leaves them in the cloud, to be fetched when they are opened.',
    }),
    ...selectionShape,
    files: option(z.boolean().default(true), {
      help: 'Bring the binaries. --no-files is --mode hybrid.',
      negatable: true,
    }),
    filesMatching: option(someTexts(), {
      help: 'Only binaries whose logical name matches a pattern (* and ?); the others stay in the cloud.',
      flags: '--files-matching <PATTERN...>',
      defaultText: 'all',
    }),
    ...accountShape,
    ...commonTuning,
    tuning: tuningOption,
  })
  .strict();

export const filesOptions = z
  .object({ ...selectionShape, ...accountShape, ...commonTuning, tuning: tuningOption })
  .strict();

/** A look at what a run would do. */
export const previewShape = {
  dryRun: option(z.boolean().default(false), {
    help: 'Plan, say what would be done, and write nothing: not in the folder, the cloud or the ledger.',
  }),
  list: option(z.boolean().default(false), { help: 'With --dry-run: the plan by name and size.' }),
};

/** How the cloud is reached: the section `network` of `config.json`. */
export const networkOptions = z
  .object({
    caFile: option(nonEmpty.optional(), {
      help: 'PEM file with the certificates of authorities to trust besides those of Node.js.',
      value: 'FILE',
      env: { name: 'COURIER_CA_FILE' },
      defaultText: 'none',
    }),
    bwlimit: option(nonEmpty.optional(), {
      help: 'How fast the workers of this computer may go, or a timetable: `08:00,2M 19:00,off`. `ndi-courier bwlimit` goes before it.',
      value: 'LIMIT',
      defaultText: 'off',
    }),
  })
  .strict();

/** How a command shows a run that it started or attached to. */
export const followOptions = z
  .object({
    wait: option(z.boolean().default(true), {
      help: 'Stay until the run ends, or return as soon as it has started. A run goes on either way.',
      negatable: true,
    }),
    json: option(z.boolean().default(false), {
      help: 'One JSON object on the last line of stdout; progress as JSON lines before it.',
    }),
  })
  .strict();

export type UploadSettings = z.output<typeof uploadOptions>;

export interface OptionSources {
  readonly env?: Environment;
  /** The section of the configuration file for this operation. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** `asNew` → `--as-new`. */
export const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** One issue as a person would say it: the given value, and what is allowed. */
function issueText(issue: z.core.$ZodIssue, values: Readonly<Record<string, unknown>>): string {
  if (values[String(issue.path[0] ?? '')] === undefined) return 'must be given';
  // A message that the option declares is ours already.
  if (!/^(?:Invalid|Too small|Too big|Unrecognized)\b/.test(issue.message)) return issue.message;
  const given = JSON.stringify(values[String(issue.path[0] ?? '')]) ?? 'nothing';
  const shown = `${given.slice(0, 60)} is not allowed`;
  switch (issue.code) {
    case 'invalid_value':
      return `${shown}; it can be ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `${shown}; the least is ${issue.minimum}`;
    case 'too_big':
      return `${shown}; the most is ${issue.maximum}`;
    case 'invalid_type':
      return `${shown}; it should be ${TYPE_WORDS[issue.expected] ?? `of type ${issue.expected}`}`;
    default:
      return shown;
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
};

/**
 * Fills in what the caller left out (environment, then configuration file, then defaults) and checks
 * everything.
 * @throws NDI_E_USAGE naming every option that is wrong, as a person would type it.
 */
export function resolveOptions<Schema extends z.ZodObject>(
  schema: Schema,
  given: Readonly<Record<string, unknown>>,
  sources: OptionSources = {},
): z.output<Schema> {
  const values: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(schema.shape)) {
    const value = given[key] ?? fromEnv(field as z.ZodType, sources.env) ?? sources.config?.[key];
    if (value !== undefined) values[key] = value;
  }
  const unknown = Object.keys({ ...sources.config, ...given }).filter(
    (key) => !(key in schema.shape) && (given[key] ?? sources.config?.[key]) !== undefined,
  );
  const parsed = schema.safeParse(values);
  const problems = [
    ...unknown.map((key) => `There is no option \`${key}\`.`),
    ...(parsed.error?.issues ?? []).map(
      (issue) => `${flagOf(String(issue.path[0] ?? ''))}: ${issueText(issue, values)}.`,
    ),
  ];
  if (!parsed.success || problems.length > 0) {
    throw new CourierError('NDI_E_USAGE', { detail: problems.join(' ') });
  }
  return parsed.data;
}

function fromEnv(field: z.ZodType, env: Environment | undefined): unknown {
  const source = optionRegistry.get(field)?.env;
  const text = source === undefined ? undefined : env?.[source.name];
  if (source === undefined || text === undefined || text === '') return undefined;
  return source.read === undefined ? text : source.read(text);
}

const configFile = z.record(z.string(), z.record(z.string(), z.unknown()));

/**
 * `config.json` in the state folder: `{"upload":{"window":8},"download":{…}}`, keys as in the option tables.
 * A missing file says nothing.
 * @throws NDI_E_USAGE when it is not such a file.
 */
export function readConfig(path: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new CourierError('NDI_E_USAGE', { detail: `${path} cannot be read.`, cause: error });
  }
  try {
    return configFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new CourierError('NDI_E_USAGE', {
      detail: `${path} should hold {"upload":{…},"download":{…}}, each with options of that command.`,
      cause,
    });
  }
}
