/**
 * The shapes of answers, checked and normalised. Lenient where the real servers vary (NDI Cloud contract §2.0, §4):
 * `id` or `_id`, one element instead of an array, rows with different keys, numbers as text, unknown keys kept.
 * Strict where a wrong guess would lose something: an id that is missing, a list that is no list.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { parseLenient } from './json-text.ts';
import type { ApiAnswer } from './request.ts';
import type {
  BulkUploadJob,
  CloudUser,
  DatasetRecord,
  DocumentSummary,
  FileRow,
  Organization,
  Page,
} from './types.ts';

/** `undefined` for what is absent, null or unusable: these fields are hints, never proof. */
export const optionalText = z.string().optional().catch(undefined);
export const optionalFlag = z
  .union([z.boolean(), z.literal('true').transform(() => true), z.literal('false').transform(() => false)])
  .optional()
  .catch(undefined);
/** Finite only: NaN and its sentinels say nothing. */
export const optionalNumber = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^-?\d+(?:\.\d+)?$/)
      .transform(Number),
  ])
  .optional()
  .catch(undefined);
const text = z.union([z.string(), z.number().transform(String)]).catch('');
const anything = z.unknown().optional();

/** MATLAB's JSON loses array-ness (§4.1): one object stands for an array of one; absent and null for none. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.preprocess(
    (value) =>
      Array.isArray(value) ? value : value === null || value === undefined || value === '' ? [] : [value],
    z.array(item),
  );
/** A list that must be there: its absence is a wrong answer and not an empty list. */
const requiredListOf = <Item extends z.ZodType>(item: Item) =>
  z.preprocess(
    (value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? [value] : value),
    z.array(item),
  );

/** `id` in most answers, `_id` in D3, `x_id` where MATLAB rewrote it (§2.0). */
const withId = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess(
    (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      const record = value as Record<string, unknown>;
      return { ...record, id: record.id ?? record._id ?? record.x_id };
    },
    z.looseObject({ id: z.string().min(1), ...shape }),
  );

/** Reads an answer as `schema`; anything else is `NDI_E_BAD_ANSWER`, naming the field and not its content. */
export function readAs<Schema extends z.ZodType>(answer: ApiAnswer, schema: Schema): z.output<Schema> {
  let value: unknown;
  try {
    value = parseLenient(answer.text);
  } catch {
    const seen =
      answer.text.trim() === ''
        ? 'an empty body'
        : answer.text.trimStart().startsWith('<')
          ? 'a web page'
          : 'no JSON';
    throw badAnswer(answer, seen);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const where =
    issue === undefined || issue.path.length === 0 ? 'the whole' : issue.path.map(String).join('.');
  throw badAnswer(answer, `${where}: ${issue?.message ?? 'unexpected'}`);
}

export const badAnswer = (answer: ApiAnswer, why: string): CourierError =>
  new CourierError('NDI_E_BAD_ANSWER', { detail: `${answer.what} (${why})`, requestId: answer.requestId });

const organization = withId({ name: text, canUploadDataset: optionalFlag }).transform(
  (row): Organization => ({ id: row.id, name: row.name, canUploadDataset: row.canUploadDataset === true }),
);

export const userAnswer = withId({
  email: text,
  name: text,
  isAdmin: optionalFlag,
  organizations: listOf(organization),
}).transform(
  (user): CloudUser => ({
    id: user.id,
    email: user.email,
    name: user.name,
    isAdmin: user.isAdmin === true,
    organizations: user.organizations,
  }),
);

/** A1. `token`; `accessToken` and `idToken` are tolerated because a proxy and an older port use them (§1.4). */
export const loginAnswer = z
  .looseObject({ token: anything, accessToken: anything, idToken: anything, user: anything })
  .transform((answer, context) => {
    const token = [answer.token, answer.accessToken, answer.idToken].find(
      (candidate): candidate is string => typeof candidate === 'string' && /^[\x21-\x7e]+$/.test(candidate),
    );
    if (token === undefined) {
      context.addIssue({ code: 'custom', message: 'no token', path: ['token'] });
      return z.NEVER;
    }
    return { token };
  });

/** Rows without a uid name no file and are left out; a bare text is a uid (§2.4 D3: rows may differ). */
export const fileRows = z.unknown().transform((value): FileRow[] => {
  const rows: unknown[] = Array.isArray(value) ? value : value === null || value === undefined ? [] : [value];
  return rows.flatMap((row): FileRow[] => {
    const record = (typeof row === 'string' ? { uid: row } : (row ?? {})) as Record<string, unknown>;
    const uid = record.uid;
    if (typeof uid !== 'string' || uid === '') return [];
    return [
      {
        uid,
        uploaded: optionalFlag.parse(record.uploaded),
        sizeBytes: optionalNumber.parse(record.size),
      },
    ];
  });
});

const datasetShape = {
  name: text,
  organizationId: optionalText,
  createdAt: optionalText,
  isPublished: optionalFlag,
  isSubmitted: optionalFlag,
  isDeleted: optionalFlag,
  documentCount: optionalNumber,
  totalSize: optionalNumber,
};

const datasetRow = withId(datasetShape);

/** `raw` is the record as it came, so the fields are read from it without changing it. */
export const datasetAnswer = z.record(z.string(), z.unknown()).transform((raw, context): DatasetRecord => {
  const { data: row, error } = datasetRow.safeParse(raw);
  if (row === undefined) {
    context.addIssue({ code: 'custom', message: 'no id', path: error.issues[0]?.path ?? [] });
    return z.NEVER;
  }
  return {
    id: row.id,
    name: row.name,
    organizationId: row.organizationId,
    createdAt: row.createdAt,
    isPublished: row.isPublished === true,
    isSubmitted: row.isSubmitted === true,
    isDeleted: row.isDeleted === true,
    documentCount: row.documentCount,
    totalSizeBytes: row.totalSize,
    files: Object.hasOwn(raw, 'files') ? fileRows.parse(raw.files) : undefined,
    raw,
  };
});

export const createdAnswer = withId({}).transform((row) => ({ id: row.id }));

export const documentRow = withId({ ndiId: text, name: text, className: text }).transform(
  (row): DocumentSummary => ({ id: row.id, ndiId: row.ndiId, name: row.name, className: row.className }),
);
export const queryRow = withId({ ndiId: text, name: text, className: text, datasetId: text }).transform(
  (row): DocumentSummary & { readonly datasetId: string } => ({
    id: row.id,
    ndiId: row.ndiId,
    name: row.name,
    className: row.className,
    datasetId: row.datasetId,
  }),
);

/** A page whose rows are under `key`; totals have three names (§2.6). */
export const pageOf = <Row extends z.ZodType>(
  key: string,
  row: Row,
  asked: { page: number; pageSize: number },
) =>
  z
    .looseObject({
      [key]: requiredListOf(row),
      page: optionalNumber,
      pageSize: optionalNumber,
      number_matches: optionalNumber,
      totalItems: optionalNumber,
      totalNumber: optionalNumber,
    })
    .transform((answer): Page<z.output<Row>> => {
      const found = answer as Record<string, unknown>;
      const total = found.number_matches ?? found.totalItems ?? found.totalNumber;
      return {
        rows: found[key] as z.output<Row>[],
        page: (found.page as number | undefined) ?? asked.page,
        pageSize: (found.pageSize as number | undefined) ?? asked.pageSize,
        totalNumber: total as number | undefined,
      };
    });

/** D14: `{branches}`, `{datasets}` or a bare list; rows are those of the dataset lists. */
export const branchesAnswer = z.union([
  z.array(datasetAnswer),
  z.looseObject({ branches: requiredListOf(datasetAnswer) }).transform((answer) => answer.branches),
  z.looseObject({ datasets: requiredListOf(datasetAnswer) }).transform((answer) => answer.datasets),
]);

const wholeNumber = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.number().int().nonnegative(),
);
export const countAnswer = z.looseObject({ count: wholeNumber }).transform((answer) => answer.count);
export const classCountsAnswer = z
  .looseObject({ classCounts: z.record(z.string(), wholeNumber) })
  .transform((answer) => answer.classCounts);

export const url = z.url({ protocol: /^https?$/ });
export const urlAnswer = z.looseObject({ url }).transform((answer) => answer.url);
/** `jobId` is missing, or empty, on old servers (§2.7 F2). */
export const bulkUrlAnswer = z
  .looseObject({ url, jobId: optionalText })
  .transform((answer) => ({ url: answer.url, jobId: answer.jobId === '' ? undefined : answer.jobId }));
export const downloadUrlAnswer = z
  .looseObject({ downloadUrl: url })
  .transform((answer) => answer.downloadUrl);

export const jobAnswer = z
  .looseObject({
    jobId: z.string().min(1),
    state: z.enum(['queued', 'extracting', 'complete', 'failed']),
    filesExtracted: optionalNumber,
    totalFiles: optionalNumber,
    error: anything,
  })
  .transform(
    (job): BulkUploadJob => ({
      jobId: job.jobId,
      state: job.state,
      filesExtracted: job.filesExtracted ?? 0,
      totalFiles: job.totalFiles,
      error:
        typeof job.error === 'string' ? job.error : job.error == null ? undefined : JSON.stringify(job.error),
    }),
  );
export const jobsAnswer = z
  .looseObject({ jobs: requiredListOf(jobAnswer) })
  .transform((answer) => answer.jobs);

/** §2.11. `cursor` may be a text or a number. */
export const filePageAnswer = z
  .looseObject({
    files: anything,
    cursor: anything,
    hasMore: optionalFlag,
    totalNumber: optionalNumber,
  })
  .refine((answer) => Array.isArray(answer.files), { message: 'no list', path: ['files'] })
  .transform((answer) => ({
    rows: fileRows.parse(answer.files),
    cursor:
      typeof answer.cursor === 'string' || typeof answer.cursor === 'number'
        ? String(answer.cursor)
        : undefined,
    hasMore: answer.hasMore,
    totalNumber: answer.totalNumber,
  }));

/** For routes whose answer nobody relies on; kept for people. Any JSON, or nothing. */
export function readLoosely(answer: ApiAnswer): unknown {
  if (answer.text.trim() === '') return undefined;
  try {
    return parseLenient(answer.text);
  } catch {
    return answer.text;
  }
}
