import { readFileSync } from 'node:fs';

export type ProcessOwner = { readonly uid: number; readonly gid: number };

/**
 * The account under which to run PostgreSQL, which refuses to run as root: `postgres` or `nobody` when
 * this process is root, and nothing (stay who we are) otherwise.
 */
export function unprivilegedUser(): ProcessOwner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const account = accounts.find(([name]) => name === wanted);
    if (account !== undefined) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error('PostgreSQL does not run as root, and this machine has no account "postgres" or "nobody"');
}
