import type { UserStore } from '@portcullis/persistence';
import { type Secret, StartupError } from '@portcullis/platform';
import { hashPassword, passwordProblem } from '../passwords.ts';
import { emailProblem } from './email.ts';
import { issueLink, type LinkDeps } from './one-time-link.ts';

/** What preparing the first sign-in needs. */
export type FirstAdministratorDeps = LinkDeps & { users: UserStore };

/**
 * Makes sure that somebody can sign in: creates the configured administrator, or returns a one-time set-up link for
 * the operator. Does nothing once there is a user.
 * @throws {StartupError} when the configured administrator cannot be created.
 */
export async function prepareFirstAdministrator(
  configured: { email: string; password: Secret } | undefined,
  deps: FirstAdministratorDeps,
): Promise<string | undefined> {
  if (await deps.users.hasAny()) return undefined;
  if (!configured) return issueLink('setup', deps);
  const problems = [
    emailProblem(configured.email) && 'PORTCULLIS_ADMIN_EMAIL is no e-mail address.',
    passwordProblem(configured.password.reveal()) &&
      'PORTCULLIS_ADMIN_PASSWORD is too short or too long: 10 characters to 1024 bytes.',
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new StartupError(problems);
  const passwordHash = await hashPassword(configured.password.reveal());
  const now = deps.clock();
  await deps.users.createFirstAdministrator({
    email: configured.email,
    passwordHash,
    now,
    event: { time: now, type: 'setup.completed', outcome: 'success', detail: { by: 'environment' } },
  });
  return undefined;
}
