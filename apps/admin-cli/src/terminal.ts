import { createInterface } from 'node:readline';

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

/** The terminal of this process. */
export function processTerminal(): Terminal {
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
