/**
 * From a command line to an exit code.
 *
 *   runCli   finds the command, loads it, runs it, and says what went wrong
 */
import { Command as Commander, CommanderError } from 'commander';
import { packageVersion } from '../../disk/package.ts';
import { CourierError } from '../../errors/index.ts';
import type { Invocation } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit.ts';
import { createOutput, directNextStep, errorJson, errorText, type Output, toCourierError } from './output.ts';

/** Runs one command line (without node and script) in this process. Never throws, never exits. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const out = createOutput(process.stdout, process.stderr);
  const stop = stopSignal();
  let code: number = EXIT.done;
  try {
    const program = await buildProgram(argv, {
      invocation: async () => {
        await setNetworkVariables();
        return {
          env: process.env,
          cwd: process.cwd(),
          stdin: process.stdin,
          out,
          signal: stop.signal,
          allCommands: () => Promise.all(COMMANDS.map(({ load }) => load())),
        };
      },
      finish: (exit) => {
        code = exit;
      },
    });
    // Version 0.1 knew -V; scripts may use it.
    const words = argv[0] === '-V' ? ['--version'] : [...argv];
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    // A command that was interrupted has nothing more to say.
    if (stop.signal.aborted && error === stop.signal.reason) return EXIT.detached;
    return report(error, argv, out);
  } finally {
    stop.release();
  }
}

/** For this process and those that it starts. A wrong `config.json` is told by what needs it. */
async function setNetworkVariables(): Promise<void> {
  // `--help` and `--version` need no options, and would wait for their modules.
  const { networkVariables } = await import('../network.ts');
  const variables = await networkVariables(process.env).catch(() => ({}));
  Object.assign(process.env, variables);
}

/** Ctrl-C, a polite kill and a closed terminal all mean: let go. A second one ends the process at once. */
function stopSignal(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.detached);
    controller.abort(new Error('interrupted'));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.removeListener(name, onSignal);
    },
  };
}

function report(error: unknown, argv: readonly string[], out: Output): ExitCode {
  const json = argv.includes('--json');
  if (error instanceof CommanderError) {
    // commander has printed help, the version, or what it did not understand.
    if (error.exitCode === 0) return EXIT.done;
    if (json) out.json(errorJson(new CourierError('NDI_E_USAGE', { detail: error.message })));
    return EXIT.usage;
  }
  const known = toCourierError(error);
  out.note(errorText(known, directNextStep(known)));
  if (known.code === 'NDI_E_INTERNAL' && process.env.COURIER_DEBUG && error instanceof Error) {
    out.note(error.stack ?? '');
  }
  if (json) out.json(errorJson(known, directNextStep(known)));
  return exitCodeOf(known);
}

interface ProgramDeps {
  invocation(): Promise<Invocation>;
  finish(code: ExitCode): void;
}

/** The program with the asked-for command in full and the others as a line of help each. */
async function buildProgram(argv: readonly string[], deps: ProgramDeps): Promise<Commander> {
  const program = new Commander('ndi-courier')
    .description(
      'Durable transfers between a lab’s NDI datasets and NDI Cloud.\n' +
        'A run survives crashes, reboots and expired logins; closing this terminal does not stop it.',
    )
    .usage('<command> [options]')
    .version(packageVersion(), '-v, --version', 'Print the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand('help [command]', 'Show the help of a command.')
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText('after', START_HERE);
  const asked = argv.filter((word) => !word.startsWith('-'));
  const wanted = asked[0] === 'help' ? asked[1] : asked[0];
  for (const { name, summary, group, load } of COMMANDS) {
    if (name === wanted) {
      const { buildCommand } = await import('./commander.ts');
      program.addCommand(buildCommand(await load(), deps).helpGroup(`${group}:`));
    } else {
      program.addCommand(new Commander(name).summary(summary).description(summary).helpGroup(`${group}:`));
    }
  }
  return program;
}

const START_HERE = `
Start here:
  $ ndi-courier demo                       see it work, on a cloud of its own
  $ ndi-courier login                      once
  $ ndi-courier upload path/to/dataset --new "My dataset"
  $ ndi-courier download 65a1b2c3d4e5f60718293a4b my-dataset

More: docs/cli.md, docs/errors.md`;
