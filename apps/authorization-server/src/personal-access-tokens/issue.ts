import { randomBytes } from 'node:crypto';
import { formatPersonalAccessToken } from '@portcullis/guard';
import {
  createPersonalAccessTokenStore,
  type Database,
  type NewPersonalAccessToken,
  type PersonalAccessToken,
} from '@portcullis/persistence';

const DAY_SECONDS = 24 * 3600;

/** A new token, and its value, which nobody can be told again. */
export type IssuedToken = { token: string; record: PersonalAccessToken };

/**
 * Makes a token of what was judged before. To be called within the transaction that also writes why.
 *
 * @returns undefined when the user has as many as anybody can have
 */
export async function issuePersonalAccessToken(
  within: Database,
  { days, ...wanted }: Omit<NewPersonalAccessToken, 'token' | 'ttlSeconds'> & { days: number },
): Promise<IssuedToken | undefined> {
  const token = await formatPersonalAccessToken(randomBytes(32));
  const record = await createPersonalAccessTokenStore(within).issue({
    ...wanted,
    token,
    ttlSeconds: days * DAY_SECONDS,
  });
  return record && { token, record };
}

/** What the audit trail says of a token, whoever made or ended it. */
export function tokenDetail({ id, name, scopes, expiresAt }: PersonalAccessToken): Record<string, unknown> {
  return { personalAccessToken: id, name, scopes: scopes.join(' '), expiresAt: expiresAt.toISOString() };
}

/** The client that a token counts as: one of its own, so that what limits and records clients tells tokens apart. */
export function clientOfToken({ id }: Pick<PersonalAccessToken, 'id'>): string {
  return `personal-access-token:${id}`;
}
