/** `ndi-courier completion` */
import { CourierError } from '../../../errors/index.ts';
import { defineCommand } from '../command.ts';
import { completionScript, SHELLS } from '../completion.ts';
import { EXIT } from '../exit.ts';

export const command = defineCommand({
  name: 'completion',
  summary: 'Print a script that completes commands and options in a shell.',
  args: [{ name: '<shell>', help: `One of ${SHELLS.join(', ')}.` }],
  examples: [
    { line: 'source <(ndi-courier completion bash)', does: 'in ~/.bashrc; the same for zsh in ~/.zshrc' },
    { line: 'ndi-courier completion fish | source', does: 'in ~/.config/fish/config.fish' },
    { line: 'ndi-courier completion powershell | Out-String | Invoke-Expression', does: 'in $PROFILE' },
  ],
  run: async ({ out, allCommands }, [asked]) => {
    const shell = SHELLS.find((one) => one === asked);
    if (shell === undefined) {
      throw new CourierError('NDI_E_USAGE', { detail: `The shell must be one of ${SHELLS.join(', ')}.` });
    }
    out.print(completionScript(shell, await allCommands()));
    return EXIT.done;
  },
});
