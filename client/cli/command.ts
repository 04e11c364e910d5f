/**
 * A command is data, with its options declared once by a zod schema. `commander.ts` makes commander commands
 * of it and `tools/docs.ts` makes the tables, so neither can say anything else.
 */
import type { z } from 'zod';
import type { Environment } from '../../ndi/auth/environment.ts';
import type { Courier } from '../courier.ts';
import type { ExitCode } from './exit.ts';
import type { Output } from './output.ts';

/** The parts of the process that a command may use; a test hands in its own. */
export interface Invocation {
  readonly env: Environment;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream;
  readonly out: Output;
  /** Aborted by Ctrl-C, SIGTERM or a closed terminal. */
  readonly signal: AbortSignal;
  /** Loads every command of the program, in the order of the help. */
  allCommands(): Promise<readonly Command[]>;
}

export interface Argument {
  /** `<dataset>`, `[folder]`, `[ids...]`. */
  readonly name: string;
  readonly help: string;
}

export interface Example {
  readonly line: string;
  readonly does: string;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** More than the summary, wrapped by the terminal. */
  readonly description?: string;
  readonly args?: readonly Argument[];
  readonly options?: z.ZodObject;
  readonly examples?: readonly Example[];
  readonly subcommands?: readonly Command[];
  /** Gets positional arguments as typed, lists for variadic ones. */
  readonly run?: (
    invocation: Invocation,
    args: ReadonlyArray<string | readonly string[] | undefined>,
    options: never,
    given: GivenOptions,
  ) => Promise<ExitCode>;
}

/**
 * Options as they were typed, before anything was filled in: what is left out here may come from elsewhere.
 */
export type GivenOptions = Readonly<Record<string, unknown>>;

type ArgValue<Name extends string> = Name extends `<${string}...>` | `[${string}...]`
  ? readonly string[]
  : Name extends `<${string}>`
    ? string
    : string | undefined;

type ArgValues<Args extends readonly Argument[]> = {
  readonly [I in keyof Args]: ArgValue<Args[I]['name']>;
};

/** Gives `run` the types that arguments and options declare. */
export function defineCommand<
  const Args extends readonly Argument[] = readonly [],
  Options extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(
  command: Omit<Command, 'args' | 'options' | 'run'> & {
    readonly args?: Args;
    readonly options?: Options;
    readonly run?: (
      invocation: Invocation,
      args: ArgValues<Args>,
      options: z.output<Options>,
      given: GivenOptions,
    ) => Promise<ExitCode>;
  },
): Command {
  return command as unknown as Command;
}

/** Opens the library for one command and closes it whatever happens. Loaded late: help needs none of it. */
export async function withCourier<T>(
  { env, out }: Pick<Invocation, 'env' | 'out'>,
  use: (courier: Courier) => Promise<T>,
): Promise<T> {
  const { createCourier } = await import('../courier.ts');
  const courier = createCourier({ env, log: out.note });
  try {
    return await use(courier);
  } finally {
    await courier.close();
  }
}
