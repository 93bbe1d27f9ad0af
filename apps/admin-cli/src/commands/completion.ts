import { readFileSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import { type CliDeps, contextOf } from '../command.ts';
import { completionsFor } from '../completions.ts';

const INSTALLING = `
Where it goes:
  bash  ~/.bashrc                     source <(portcullis completion bash)
  zsh   ~/.zshrc, after compinit      source <(portcullis completion zsh)
  fish  ~/.config/fish/config.fish    portcullis completion fish | source

The shell has to know portcullis by that name. Inside the repository,
\`alias portcullis='npx portcullis'\` before these lines gives it the name.`;

const SHELLS = ['bash', 'zsh', 'fish'];

/** completion, and the hidden command with which those scripts ask. */
export function addCompletionCommands(program: Command, deps: CliDeps): void {
  program
    .command('completion')
    .description('Print a script that completes commands and options in your shell.')
    .addArgument(new Argument('<shell>', 'the shell that you use').choices(SHELLS))
    .addHelpText('after', INSTALLING)
    .action((shell: string, _options: object, command: Command) => {
      const { out, terminal } = contextOf(command, deps);
      const script = readFileSync(new URL(`../../completions/portcullis.${shell}`, import.meta.url), 'utf8');
      if (out.json) out.done('', { shell, script });
      else terminal.write(script);
    });

  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action((words: string[]) => {
      for (const { value, description } of completionsFor(program, words))
        deps.terminal.write(`${value}\t${description}\n`);
    });
}
