import { createInterface } from 'node:readline';
import { errorCode } from '@portcullis/platform';
import { EXIT } from './failure.ts';

/** Where the command line reads and writes. */
export type Terminal = {
  write(text: string): void;
  /** Notes and problems, so that what a command answers can be piped. */
  note(text: string): void;
  /** Whether a person reads what {@link Terminal.write} gets. */
  isInteractive: boolean;
  /** Whether a person can answer questions. */
  canAsk: boolean;
  /** Shows a question and reads one line; undefined when the input ends first. */
  ask(question: string): Promise<string | undefined>;
  /** All of standard input. */
  readAll(): Promise<string>;
};

/** The terminal of this process, which ends when nothing can be written any more. */
export function processTerminal(): Terminal {
  process.stdout.on('error', endUnheard);
  // Nobody is left who could be told.
  process.stderr.on('error', () => process.exit(EXIT.refused));
  return {
    write: (text) => void process.stdout.write(text),
    note: (text) => void process.stderr.write(text),
    isInteractive: process.stdout.isTTY === true,
    canAsk: process.stdin.isTTY === true,
    ask: askOnce,
    async readAll() {
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
      return text;
    },
  };
}

/** A reader that has enough, such as `head`, closes the pipe; that is no failure. A full disk is one. */
function endUnheard(cause: Error): never {
  const code = errorCode(cause);
  if (code === 'EPIPE') process.exit(EXIT.done);
  process.stderr.write(`portcullis: The answer could not be written (${code}).\n`);
  process.exit(EXIT.refused);
}

function askOnce(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  process.stderr.write(question);
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
      // One question is all that a command asks; input that stays open must not keep the process.
      if ('unref' in process.stdin) process.stdin.unref();
    });
    lines.once('close', () => resolve(undefined));
  });
}
