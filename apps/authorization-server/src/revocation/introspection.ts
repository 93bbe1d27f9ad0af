import { isPersonalAccessToken } from '@portcullis/guard';
import type { Clock } from '@portcullis/platform';
import {
  introspectPersonalAccessToken,
  type PersonalAccessTokenDeps,
} from '../personal-access-tokens/introspection.ts';
import { type OwnTokens, readAccessToken } from './access-token-claims.ts';
import type { AskingClient } from './asking-client.ts';
import { type StandingDeps, standingOf } from './token-standing.ts';

/** What is said about a token; to whom it is none of their business, the same as for one that does not exist. */
type Introspection = { active: false } | ({ active: true } & Readonly<Record<string, unknown>>);

/** Tells a client that has authenticated about a token. */
export type Introspect = (token: string, asking: AskingClient) => Promise<Introspection>;

/** What introspection asks. */
export type IntrospectionDeps = {
  tokens: OwnTokens;
  standing: StandingDeps;
  personalAccessTokens: PersonalAccessTokenDeps;
  clock: Clock;
};

const INACTIVE: Introspection = { active: false };

/**
 * Introspection: only for the server of the resource that the token is for, and with what is true now.
 *
 * @see RFC 7662 sections 2.2 and 4
 */
export function createIntrospection({ tokens, standing, personalAccessTokens, clock }: IntrospectionDeps): Introspect {
  return async (token, asking) => {
    const now = clock();
    const caller = await standing.clients.find({ id: asking.clientId, now });
    if (caller?.resourceServer === undefined) return INACTIVE;
    if (await isPersonalAccessToken(token)) {
      const question = { resource: caller.resourceServer, asking, now };
      const said = await introspectPersonalAccessToken(token, question, personalAccessTokens);
      return said ? { ...said, active: true } : INACTIVE;
    }
    const claims = await readAccessToken(token, { ...tokens, now });
    if (claims?.audience !== caller.resourceServer) return INACTIVE;
    const judged = await standingOf(claims, { deps: standing, now });
    if (!judged.ok) return INACTIVE;
    const type = claims.isDpopBound ? 'DPoP' : 'Bearer';
    return { ...claims.payload, active: true, scope: judged.scopes.join(' '), token_type: type };
  };
}
