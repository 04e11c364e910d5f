/**
 * Scripts that complete `ndi-courier` in a shell. They hold the whole table of commands as text, so that
 * pressing Tab starts no process.
 *
 *   wordsByPath        every command path with the words that may follow it
 *   completionScript   the script of one shell
 */
import { assertNever } from '../../errors/index.ts';
import type { Command } from './command.ts';
import { optionsOf } from './commander.ts';

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

export interface Word {
  readonly text: string;
  readonly help: string;
}

/** Words by command path: `''` has the commands, `'runs watch'` the options of that command. */
export function wordsByPath(commands: readonly Command[]): Map<string, readonly Word[]> {
  const table = new Map<string, readonly Word[]>([['', [...commands.map(nameOf), ...HELP, VERSION]]]);
  for (const command of commands) addCommand(table, command, command.name);
  return table;
}

const HELP: readonly Word[] = [{ text: '--help', help: 'Show this help.' }];
const VERSION: Word = { text: '--version', help: 'Print the version.' };

const nameOf = ({ name, summary }: Command): Word => ({ text: name, help: summary });

function addCommand(table: Map<string, readonly Word[]>, command: Command, path: string): void {
  const options = optionsOf(command.options).flatMap(({ flags, help, negatable }) => {
    const long = flags.match(/--[\w-]+/)?.[0];
    if (long === undefined) return [];
    const opposite = negatable ? [{ text: `--no-${long.slice(2)}`, help: 'The opposite.' }] : [];
    return [{ text: long, help }, ...opposite];
  });
  const subcommands = command.subcommands ?? [];
  table.set(path, [...subcommands.map(nameOf), ...options, ...HELP]);
  for (const subcommand of subcommands) addCommand(table, subcommand, `${path} ${subcommand.name}`);
}

/** The script of one shell. Where no word fits, each shell falls back to file names. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  const table = wordsByPath(commands);
  switch (shell) {
    case 'bash':
      return bash(table);
    case 'zsh':
      return zsh(table);
    case 'fish':
      return fish(table);
    case 'powershell':
      return powershell(table);
    default:
      return assertNever(shell);
  }
}

type Table = ReadonlyMap<string, readonly Word[]>;

const list = (words: readonly Word[]): string => words.map(({ text }) => text).join(' ');

/**
 * The lines that find the command path among the words before the cursor; the same text serves bash and zsh.
 */
const findPath = (table: Table): string => {
  const paths = [...table.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  return `case "\${path:+$path }$word" in\n      ${paths.join('|')}) path="\${path:+$path }$word" ;;\n    esac`;
};

const cases = (table: Table): string =>
  [...table].map(([path, words]) => `    '${path}') known='${list(words)}' ;;`).join('\n');

function bash(table: Table): string {
  return `# ndi-courier completion for bash. Load it with:
#   source <(ndi-courier completion bash)
_ndi_courier() {
  local path= word known=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    ${findPath(table)}
  done
  case "$path" in
${cases(table)}
  esac
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$known" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _ndi_courier ndi-courier
`;
}

function zsh(table: Table): string {
  return `#compdef ndi-courier
# ndi-courier completion for zsh. Load it, after compinit, with:
#   source <(ndi-courier completion zsh)
_ndi_courier() {
  local command_path= word known=
  for word in "\${(@)words[2,CURRENT-1]}"; do
    ${findPath(table).replaceAll('path', 'command_path')}
  done
  case "$command_path" in
${cases(table)}
  esac
  compadd -- \${=known} || _files
}
compdef _ndi_courier ndi-courier
`;
}

const singleQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(table: Table): string {
  const lines = [...table].flatMap(([path, words]) =>
    words.map(({ text, help }) => {
      const word = text.startsWith('--') ? `-l ${text.slice(2)}` : `-f -a ${text}`;
      return `complete -c ndi-courier -n "test (__ndi_courier_path) = '${path}'" ${word} -d ${singleQuoted(help)}`;
    }),
  );
  const paths = [...table.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  return `# ndi-courier completion for fish. Load it with:
#   ndi-courier completion fish | source
function __ndi_courier_path
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim -- "$path $word")
    if contains -- "$longer" ${paths.join(' ')}
      set path $longer
    end
  end
  echo "$path"
end
${lines.join('\n')}
`;
}

function powershell(table: Table): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const rows = [...table].map(
    ([path, words]) => `    ${quoted(path)} = @(${words.map(({ text }) => quoted(text)).join(', ')})`,
  );
  return `# ndi-courier completion for PowerShell. Load it with:
#   ndi-courier completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName ndi-courier -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @{
${rows.join('\n')}
  }
  $path = ''
  foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
    $longer = "$path $element".Trim()
    if ($element.Extent.EndOffset -lt $cursorPosition -and $words.ContainsKey($longer)) { $path = $longer }
  }
  $words[$path] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}
