import { type CourierError, isCourierError } from '../../errors/index.ts';

/** How a command ends. Documented in `docs/cli.md`; scripts build on these numbers. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The run is done, but some documents or files could not be taken along; they are listed. */
  leftovers: 3,
  /** The run stands still until a person logs in or decides; it goes on by itself after that. */
  waiting: 4,
  cancelled: 5,
  /** Ctrl-C: the view ended, the run goes on. */
  detached: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'Done.',
  failed: 'Failed; the message names the cause and the next step.',
  usage: 'The command line was not understood.',
  leftovers: 'Done, but some items could not be taken along; the report lists them.',
  waiting:
    'The run waits for a login or a person, and nobody sits at this terminal. It goes on by itself afterwards.',
  cancelled: 'The run was cancelled.',
  detached: 'Ctrl-C: the view ended, the run goes on.',
};

export function exitCodeOf(error: CourierError): ExitCode {
  if (isCourierError(error, 'NDI_E_USAGE')) return EXIT.usage;
  if (isCourierError(error, 'NDI_E_CANCELLED')) return EXIT.cancelled;
  return EXIT.failed;
}
