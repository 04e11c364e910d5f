/** Makes commander commands out of our declarations, and hands the typed values back. */
import { Command as Commander, Option } from 'commander';
import { z } from 'zod';
import { flagOf, type OptionMeta, optionRegistry, resolveOptions } from '../options.ts';
import type { Command, GivenOptions, Invocation } from './command.ts';
import type { ExitCode } from './exit.ts';

/** One option as help and docs show it. */
export interface OptionInfo {
  readonly key: string;
  readonly flags: string;
  readonly help: string;
  readonly defaultText: string | undefined;
  readonly choices: readonly string[] | undefined;
  readonly env: string | undefined;
  readonly negatable: boolean;
  readonly group: string | undefined;
}

/** The options of a schema that belong on a command line, in order. */
export function optionsOf(schema: z.ZodObject | undefined): OptionInfo[] {
  const infos: OptionInfo[] = [];
  for (const [key, field] of Object.entries(schema?.shape ?? {})) {
    const meta = optionRegistry.get(field as z.ZodType);
    if (meta === undefined) throw new Error(`the option ${key} says nothing about itself`);
    if (meta.libraryOnly !== true) infos.push(optionInfo(key, field as z.ZodType, meta));
  }
  return infos;
}

function optionInfo(key: string, field: z.ZodType, meta: OptionMeta): OptionInfo {
  const { inner, fallback } = unwrap(field);
  const value = meta.value ?? (inner instanceof z.ZodEnum ? key.toUpperCase() : undefined);
  const flag = flagOf(key);
  return {
    key,
    flags: meta.flags ?? (inner instanceof z.ZodBoolean ? flag : `${flag} <${value ?? 'VALUE'}>`),
    help: meta.help,
    defaultText:
      meta.defaultText ?? (fallback === undefined || fallback === false ? undefined : String(fallback)),
    choices: inner instanceof z.ZodEnum ? inner.options.map(String) : undefined,
    env: meta.env?.name,
    negatable: meta.negatable === true,
    group: meta.group,
  };
}

/** The type inside `.optional()` and `.default()`, and the default. */
function unwrap(field: z.ZodType): { inner: z.ZodType; fallback: unknown } {
  let inner: z.ZodType = field;
  let fallback: unknown;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) {
    if (inner instanceof z.ZodDefault) fallback = inner.def.defaultValue;
    inner = inner.unwrap() as z.ZodType;
  }
  return { inner, fallback };
}

/** How help shows one option: what it does, what may be given, what holds otherwise. */
function helpText(info: OptionInfo): string {
  const notes = [
    ...(info.choices === undefined ? [] : [info.choices.join(' | ')]),
    ...(info.defaultText === undefined ? [] : [`default: ${info.defaultText}`]),
    ...(info.env === undefined ? [] : [`env: ${info.env}`]),
  ];
  return notes.length === 0 ? info.help : `${info.help} (${notes.join('; ')})`;
}

export interface BuildDeps {
  invocation(): Promise<Invocation>;
  finish(code: ExitCode): void;
}

export function buildCommand(spec: Command, deps: BuildDeps): Commander {
  const command = new Commander(spec.name)
    .summary(spec.summary)
    .description(spec.description === undefined ? spec.summary : `${spec.summary}\n\n${spec.description}`)
    .helpOption('-h, --help', 'Show this help.')
    .showHelpAfterError('(add --help for what it takes)')
    .exitOverride();
  for (const argument of spec.args ?? []) command.argument(argument.name, argument.help);
  for (const info of optionsOf(spec.options)) {
    const flag = new Option(info.flags, helpText(info));
    if (info.group !== undefined) flag.helpGroup(`${info.group}:`);
    command.addOption(flag);
    if (info.negatable) command.addOption(new Option(`--no-${flagOf(info.key).slice(2)}`, 'The opposite.'));
  }
  for (const subcommand of spec.subcommands ?? []) command.addCommand(buildCommand(subcommand, deps));
  if (spec.subcommands !== undefined) command.helpCommand(false);
  if (spec.examples !== undefined) command.addHelpText('after', examplesText(spec));
  const { run } = spec;
  if (run !== undefined) {
    command.action(async (...given: unknown[]) => {
      // commander passes the arguments, then the options, then itself.
      const values = given.slice(0, -2) as Parameters<typeof run>[1];
      const invocation = await deps.invocation();
      const typed = given.at(-2) as GivenOptions;
      const options =
        spec.options === undefined ? {} : resolveOptions(spec.options, typed, { env: invocation.env });
      deps.finish(await run(invocation, values, options as never, typed));
    });
  }
  return command;
}

function examplesText(spec: Command): string {
  const lines = (spec.examples ?? []).flatMap(({ line, does }) => [`  $ ${line}`, `      ${does}`]);
  return `\nExamples:\n${lines.join('\n')}`;
}
