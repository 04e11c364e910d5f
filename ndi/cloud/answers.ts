/**
 * How answers are read: checked and normalised, by the parts that shapes are made of. Each resource's own
 * shapes stand in its file; pages.ts has those of lists that come in pages. Lenient where the real servers
 * vary (NDI Cloud contract §2.0, §4): `id` or `_id`, one element instead of an array, rows with different
 * keys, numbers as text, unknown keys kept. Strict where a wrong guess would lose something: an id that is
 * missing, a list that is no list.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { parseLenient } from './json-text.ts';
import type { ApiAnswer } from './request.ts';

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
/** Names and the like, empty when unusable. */
export const text = z.union([z.string(), z.number().transform(String)]).catch('');
export const anything = z.unknown().optional();

/** MATLAB's JSON loses array-ness (§4.1): one object stands for an array of one; absent and null for none. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.preprocess(
    (value) =>
      Array.isArray(value) ? value : value === null || value === undefined || value === '' ? [] : [value],
    z.array(item),
  );
/**
 * A page has a thousand rows; a server that ignores the size asked for can put some 40,000 into the 6 MB that
 * it can answer.
 */
const MOST_ROWS = 50_000;

/** A list that must be there: its absence is a wrong answer and not an empty list. */
export const requiredListOf = <Item extends z.ZodType>(item: Item) =>
  z.preprocess((value, context) => {
    if (Array.isArray(value) && value.length > MOST_ROWS) {
      context.addIssue({ code: 'custom', message: `more than ${MOST_ROWS} rows` });
      return z.NEVER;
    }
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? [value] : value;
  }, z.array(item));

/** `id` in most answers, `_id` in D3, `x_id` where MATLAB rewrote it (§2.0). */
export const withId = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess(
    (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      const record = value as Record<string, unknown>;
      return { ...record, id: record.id ?? record._id ?? record.x_id };
    },
    z.looseObject({ id: z.string().min(1), ...shape }),
  );

/**
 * Reads an answer as `schema`.
 * @throws NDI_E_BAD_ANSWER for anything else, naming the field and not its content
 */
export function readAs<Schema extends z.ZodType>(answer: ApiAnswer, schema: Schema): z.output<Schema> {
  let value: unknown;
  try {
    value = parseLenient(answer.text);
  } catch (error) {
    const why = error instanceof SyntaxError && /^more than/.test(error.message) ? error.message : undefined;
    const seen =
      (why ?? answer.text.trim() === '')
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

export const createdAnswer = withId({}).transform((row) => ({ id: row.id }));

export const url = z.url({ protocol: /^https?$/ });
export const urlAnswer = z.looseObject({ url }).transform((answer) => answer.url);

/** For routes whose answer nobody relies on; kept for people. Any JSON, or nothing. */
export function readLoosely(answer: ApiAnswer): unknown {
  if (answer.text.trim() === '') return undefined;
  try {
    return parseLenient(answer.text);
  } catch {
    return answer.text;
  }
}
