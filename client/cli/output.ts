/**
 * The two ways out: stdout carries results, stderr carries everything that accompanies them. With `--json`
 * the last line of stdout is one JSON object, whatever happens.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import { withoutQueries } from '../../errors/redact.ts';
import { printableJson, printableLines } from '../view/format.ts';

export interface Output {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** A result for people. */
  print(text: string): void;
  /** A line of JSON on stdout. */
  json(value: unknown): void;
  /** A note on the progress of the command, on stderr. */
  note(text: string): void;
}

export function createOutput(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Output {
  // A reader that left (`| head`) is no reason to fail: the work is elsewhere.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    stdout,
    stderr,
    print: (text) => void stdout.write(`${printableLines(text)}\n`),
    json: (value) => void stdout.write(`${printableJson(value)}\n`),
    note: (text) => void stderr.write(`${printableLines(text)}\n`),
  };
}

/** Any error as one of ours; what we did not foresee is a bug of ours and says so. */
export function toCourierError(error: unknown): CourierError {
  if (isCourierError(error)) return error;
  const name = error instanceof Error ? error.name : typeof error;
  const message = error instanceof Error ? error.message : String(error);
  // A foreign error may quote a presigned URL.
  return new CourierError('NDI_E_INTERNAL', { detail: `${name}: ${withoutQueries(message)}`, cause: error });
}

/** Sentence, detail, next step, code. */
export function errorText(error: CourierError, nextStep = error.nextStep): string {
  return `${printableLines(error.message)}\n${nextStep}\n(${error.code})`;
}

/** The next step after a command that no run repeats. */
export const directNextStep = (error: CourierError): string =>
  error.class === 'retryable' && /\bthe run\b/i.test(error.nextStep)
    ? 'Nothing repeats this command: run it again in a while.'
    : error.nextStep;

export const errorJson = (
  error: CourierError,
  nextStep = error.nextStep,
): { status: 'failed' | 'cancelled'; error: object } => ({
  status: isCourierError(error, 'NDI_E_CANCELLED') ? 'cancelled' : 'failed',
  error: {
    code: error.code,
    message: error.message,
    nextStep,
    // Left out of the JSON when there is none.
    requestId: error.requestId,
  },
});
