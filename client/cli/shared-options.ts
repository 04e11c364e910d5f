/** Options and arguments that several commands share. */
import { z } from 'zod';
import { accountShape, option } from '../options.ts';

/** The argument of commands that work on a folder. */
export const DATASET = { name: '<dataset>', help: 'The dataset folder, the one that holds `.ndi`.' } as const;

export const jsonShape = {
  json: option(z.boolean().default(false), { help: 'One JSON object on the last line of stdout.' }),
};

export const jsonOptions = z.object(jsonShape).strict();

export { accountShape };

/** The keys that belong to a schema, as they were typed. */
export function pick(given: Readonly<Record<string, unknown>>, schema: z.ZodObject): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([key]) => key in schema.shape));
}
