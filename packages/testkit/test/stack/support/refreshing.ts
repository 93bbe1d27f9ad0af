import type { Database } from '@portcullis/persistence';
import type { HttpPerson, JsonAnswer, RawRequest } from '../../../src/index.ts';
import { readToken, requestToken } from '../../../src/index.ts';
import { obtainCode, redeem, type Target, type TestClient, tokensOf } from './authorization.ts';

/** A family of refresh tokens at its first token. */
export type Family = { grantId: string; access: string; refresh: string };

/** Begins a family: signs in where that is needed, consents, and redeems the code. */
export async function beginFamily(
  target: Target,
  client: TestClient,
  { person, changes = {} }: { person: HttpPerson; changes?: Record<string, string | undefined> },
): Promise<Family> {
  const secret = client.secret === undefined ? {} : { client_secret: client.secret };
  const code = await obtainCode(target, client, { person, changes });
  const { access, refresh } = tokensOf(await redeem(target, client, { code, changes: secret }));
  return { grantId: grantIdOf(access), access, refresh };
}

/** Begins several, one after the other, as a person does in one browser. */
export async function beginFamilies(
  target: Target,
  client: TestClient,
  { person, count }: { person: HttpPerson; count: number },
): Promise<Family[]> {
  const families: Family[] = [];
  while (families.length < count) families.push(await beginFamily(target, client, { person }));
  return families;
}

/** The grant that an access token belongs to. */
export function grantIdOf(access: string): string {
  return String(readToken(access).claims.gid);
}

/** The token request of a refresh. */
export function refreshRequest(client: TestClient, refreshToken: string): Record<string, string | undefined> {
  return {
    grant_type: 'refresh_token',
    client_id: client.id,
    client_secret: client.secret,
    refresh_token: refreshToken,
  };
}

/** Refreshes; `changes` are put over the request. */
export function refresh(
  { server }: Pick<Target, 'server'>,
  client: TestClient,
  o: {
    token: string;
    changes?: Record<string, string | undefined>;
    raw?: Pick<RawRequest, 'headers' | 'fromAddress'>;
  },
): Promise<JsonAnswer> {
  return requestToken(server, { ...refreshRequest(client, o.token), ...o.changes }, o.raw);
}

/** How many tokens a family has had, and how many of them are its head: one, or none when it was revoked. */
export async function countTokens({ prisma }: Database, grantId: string): Promise<{ all: number; heads: number }> {
  return {
    all: await prisma.refreshToken.count({ where: { grantId } }),
    heads: await prisma.refreshToken.count({ where: { grantId, consumedAt: null } }),
  };
}

/** A refusal, as far as a client can see it. */
export function verdictOf({ status, json }: JsonAnswer): [number, unknown] {
  return [status, json?.error];
}
