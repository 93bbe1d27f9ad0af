import type { Command, Option } from 'commander';

/** Something that can stand where the cursor is. */
export type Completion = { value: string; description: string };

/**
 * What can stand in place of the last of `words`, which may be empty: commands, options, and values of which there is
 * a closed set. What only the server knows is not asked for.
 */
export function completionsFor(program: Command, words: readonly string[]): Completion[] {
  const typed = words.at(-1) ?? '';
  const { command, pending } = walk(program, words.slice(0, -1));
  return candidates(program, { command, pending, typed }).filter(({ value }) => value.startsWith(typed));
}

/** The command that was reached, and the option whose value comes next. */
type Place = { command: Command; pending: Option | undefined };

function walk(program: Command, words: readonly string[]): Place {
  let place: Place = { command: program, pending: undefined };
  for (const word of words) place = step(program, place, word);
  return place;
}

function step(program: Command, { command, pending }: Place, word: string): Place {
  if (pending) return { command, pending: undefined };
  if (word.startsWith('-')) {
    const option = optionsOf(program, command).find(({ long, short }) => long === word || short === word);
    return { command, pending: option?.required ? option : undefined };
  }
  return { command: command.commands.find((inner) => inner.name() === word) ?? command, pending: undefined };
}

function candidates(program: Command, { command, pending, typed }: Place & { typed: string }): Completion[] {
  if (pending) return choices(pending);
  if (typed.startsWith('-')) {
    return optionsOf(program, command).flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
  }
  const commands = command.createHelp().visibleCommands(command);
  return [
    ...commands.map((inner) => ({ value: inner.name(), description: inner.description() })),
    ...command.registeredArguments.flatMap(choices),
  ];
}

/** The options of a command, and those that every command has. */
function optionsOf(program: Command, command: Command): Option[] {
  const own = command.createHelp().visibleOptions(command);
  return command === program ? own : [...own, ...program.options];
}

function choices({ argChoices = [] }: { argChoices?: readonly string[] | undefined }): Completion[] {
  return argChoices.map((value) => ({ value, description: '' }));
}
