import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '@portcullis/platform';
import { z } from 'zod';
import { CommandFailure } from './failure.ts';

const signInSchema = z.object({
  accessToken: z.string(),
  refreshToken: z.string().optional(),
  /** Milliseconds since 1970. */
  expiresAt: z.number(),
});

const fileSchema = z.object({
  /** The issuer of the last sign-in. */
  current: z.string().optional(),
  signIns: z.record(z.string(), signInSchema),
});

/** Tokens of one sign-in. */
export type SignIn = z.infer<typeof signInSchema>;

/** The sign-ins of this person, by issuer. */
export type Credentials = {
  /** The issuer that was signed in to last. */
  current(): string | undefined;
  find(issuer: string): SignIn | undefined;
  /** Keeps a sign-in and makes its issuer the current one. */
  save(issuer: string, signIn: SignIn): void;
  /** Forgets a sign-in. */
  remove(issuer: string): void;
};

/** Sign-ins in a file that only its owner can read. A file that cannot be understood counts as empty. */
export function credentialsIn(file: string): Credentials {
  const read = (): z.infer<typeof fileSchema> => {
    try {
      return fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch {
      return { signIns: {} };
    }
  };
  const write = (content: z.infer<typeof fileSchema>) => {
    try {
      replace(content);
    } catch (cause) {
      throw new CommandFailure('refused', `Sign-ins cannot be kept in ${file} (${errorCode(cause)}).`, { cause });
    }
  };
  const replace = (content: z.infer<typeof fileSchema>) => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Written beside and moved over: the new file is the owner's alone whatever the old one was, and never half there.
    const fresh = `${file}.${process.pid}`;
    rmSync(fresh, { force: true });
    writeFileSync(fresh, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(fresh, file);
  };
  return {
    current: () => read().current,
    find: (issuer) => read().signIns[issuer],
    save: (issuer, signIn) => write({ current: issuer, signIns: { ...read().signIns, [issuer]: signIn } }),
    remove(issuer) {
      const content = read();
      const { [issuer]: removed, ...signIns } = content.signIns;
      if (removed) write({ ...content, signIns });
    },
  };
}
