/** The completion scripts offer what the table of commands has. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../client/cli/commands.ts';
import { completionScript, SHELLS } from '../../client/cli/completion.ts';
import { packageVersion } from '../../disk/package.ts';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const commands = await Promise.all(COMMANDS.map(({ load }) => load()));

const cli = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });

/** The words that bash offers when Tab is pressed at the end of `line`. */
function bashOffers(script: string, line: readonly string[]): string[] {
  const words = line.map((word) => `'${word}'`).join(' ');
  const { stdout, stderr } = spawnSync(
    'bash',
    [
      '--norc',
      '-c',
      `source <(printf '%s' "$SCRIPT"); COMP_WORDS=(${words}); COMP_CWORD=${line.length - 1}; _ndi_courier; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
    { env: { PATH: process.env.PATH, SCRIPT: script }, encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

describe.skipIf(process.platform === 'win32')('the completion of bash', () => {
  it('is printed by the command and offers commands, subcommands and options', () => {
    const { stdout, status } = cli('completion', 'bash');
    expect(status).toBe(0);
    expect(bashOffers(stdout, ['ndi-courier', 'down'])).toEqual(['download', 'down']);
    expect(bashOffers(stdout, ['ndi-courier', 'runs', 'wat'])).toEqual(['watch']);
    expect(bashOffers(stdout, ['ndi-courier', 'upload', '--json', '/data/x', '--dry'])).toEqual([
      '--dry-run',
    ]);
    expect(bashOffers(stdout, ['ndi-courier', 'upload', '/data/unknow'])).toEqual([]);
  });
});

describe('every completion script', () => {
  it('holds each command and each subcommand', () => {
    for (const shell of SHELLS) {
      const script = completionScript(shell, commands);
      for (const { name, subcommands } of commands) {
        expect(script).toContain(name);
        for (const subcommand of subcommands ?? []) expect(script).toContain(subcommand.name);
      }
    }
  });

  it('is refused by name for a shell that is not known', () => {
    const { status, stderr } = cli('completion', 'tcsh');
    expect(status).toBe(2);
    expect(stderr).toContain('bash, zsh, fish, powershell');
  });
});

describe('the version', () => {
  it('is printed by -v, -V and --version', () => {
    for (const flag of ['-v', '-V', '--version']) expect(cli(flag).stdout.trim()).toBe(packageVersion());
  });
});
