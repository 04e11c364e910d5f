/** Asking a person. Questions go to stderr, so that stdout stays for results. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CourierError } from '../../errors/index.ts';
import type { Invocation } from './command.ts';

/** One line of answer, visible. */
export const ask = (invocation: Invocation, question: string): Promise<string> =>
  askLine(invocation, question, false);

/** One line of answer that is not shown. */
export const askSecret = (invocation: Invocation, question: string): Promise<string> =>
  askLine(invocation, question, true);

/**
 * Returns when the person says yes.
 * @throws NDI_E_CANCELLED for any other answer, NDI_E_USAGE where nobody can be asked
 */
export async function confirm(invocation: Invocation, question: string): Promise<void> {
  if (!invocation.stdin.isTTY)
    throw new CourierError('NDI_E_USAGE', { detail: 'There is no terminal to ask at; pass --yes.' });
  const answer = await ask(invocation, `${question} [y/N] `);
  if (!/^y(?:es)?$/i.test(answer.trim()))
    throw new CourierError('NDI_E_CANCELLED', { detail: 'Nothing was changed.' });
}

async function askLine(
  { stdin, out, signal }: Invocation,
  question: string,
  secret: boolean,
): Promise<string> {
  if (!stdin.isTTY) {
    throw new CourierError('NDI_E_USAGE', {
      detail:
        'There is no terminal to ask at. Give --email, and the password with --password-stdin or NDI_CLOUD_PASSWORD.',
    });
  }
  // readline echoes what is typed to its output; a secret gets an output that swallows it.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: secret ? silent : out.stderr, terminal: true });
  if (secret) out.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      // In raw mode Ctrl-C is a key, not a signal.
      lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      lines.once('close', () => reject(new CourierError('NDI_E_USAGE', { detail: 'Nothing was entered.' })));
      lines.question(secret ? '' : question, (answer) => {
        signal.removeEventListener('abort', abort);
        resolve(answer);
      });
    });
  } finally {
    lines.close();
    if (secret) out.stderr.write('\n');
  }
}

/** A password that a script pipes in: everything up to the first line break. */
export async function readSecretFromStdin(invocation: Invocation): Promise<string> {
  const [secret = ''] = await readSecretsFromStdin(invocation, 1);
  return secret;
}

/** Passwords that a script pipes in, one per line. */
export async function readSecretsFromStdin({ stdin }: Invocation, count: number): Promise<string[]> {
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > 65_536) break;
  }
  const secrets = text.split(/\r?\n/, count).filter((line) => line !== '');
  if (secrets.length < count) {
    const missing = count === 1 ? 'No password' : `Fewer than ${count} passwords`;
    throw new CourierError('NDI_E_USAGE', { detail: `${missing} arrived on standard input.` });
  }
  return secrets;
}
