import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, runCli } from '@portcullis/admin-cli';

/** What a command came to. */
export type CommandEnd = { code: number; out: string; err: string };

/** The command line of one person, with a folder of its own for sign-ins. */
export type CommandLine = {
  credentialsFile: string;
  /** Puts a sign-in where `portcullis login` would. */
  signIn(issuer: string, tokens: { access: string; refresh: string }, expiresAt?: number): void;
  /** Runs a command without a terminal; `answers` are what the person types, line by line. */
  run(
    args: readonly string[],
    options?: { answers?: string[]; input?: string; config?: Partial<Config> },
  ): Promise<CommandEnd>;
  remove(): void;
};

/** Makes one. */
export function createCommandLine(): CommandLine {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-cli-'));
  const credentialsFile = join(folder, 'credentials.json');
  return {
    credentialsFile,
    signIn(issuer, { access, refresh }, expiresAt = Date.now() + 300_000) {
      const signIns = { [issuer]: { accessToken: access, refreshToken: refresh, expiresAt } };
      writeFileSync(credentialsFile, JSON.stringify({ current: issuer, signIns }));
    },
    async run(args, { answers, input = '', config = {} } = {}) {
      let [out, err] = ['', ''];
      const lines = [...(answers ?? [])];
      const code = await runCli(args, {
        config: { issuer: undefined, browser: undefined, machine: undefined, credentialsFile, ...config },
        terminal: {
          write(text) {
            out += text;
          },
          note(text) {
            err += text;
          },
          isInteractive: false,
          canAsk: answers !== undefined,
          ask: async (question) => {
            err += question;
            return lines.shift();
          },
          readAll: async () => input,
        },
      });
      return { code, out, err };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
