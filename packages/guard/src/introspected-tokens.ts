import type { TokenVerdict } from './access-token.ts';
import { sha256 } from './digest.ts';
import type { Introspect } from './introspection.ts';
import { isPersonalAccessToken } from './personal-access-token.ts';
import type { Principal } from './principal.ts';
import { principalOf } from './principal-claims.ts';
import type { TokenRefusal } from './refusal.ts';
import type { GrantRevocation } from './revoked-grants.ts';

/** Judges tokens by what the issuer says of them. */
export type IntrospectedTokens = {
  /**
   * Judges a personal access token, by an answer that is kept until a revocation concerns it. Of other strings the
   * issuer never hears.
   *
   * @returns undefined for what is no personal access token
   */
  verify(token: string): Promise<TokenVerdict | undefined>;
  /**
   * Judges an access token that was verified already, where the guard is told to ask about those too: each time anew,
   * and with the scopes that are left of it.
   */
  confirm(token: string, principal: Principal): Promise<TokenVerdict>;
  /** Forgets what the issuer said of the tokens that a revocation concerns; they are asked about again. */
  forget(revocations: readonly GrantRevocation[]): void;
};

/** What an answer of the issuer must be, and for how long it is kept. */
type IntrospectionRules = Readonly<{
  issuer: string;
  audience: string;
  clockToleranceSeconds: number;
  /** 0 to 3600. Longer than the guard remembers revocations, an answer must never be kept. */
  cacheSeconds: number;
  /** Whether access tokens that are JWTs are asked about too. */
  accessTokens: boolean;
}>;

type Deps = Readonly<{ introspect: Introspect; rules: IntrospectionRules; now: () => Date }>;

const RETRY_SECONDS = 5;
const CACHE_ENTRIES = 10_000;
/** About one token for one request. Each but the first follows a revocation that came in meanwhile. */
const MAX_QUESTIONS = 5;

/** Knows no token but those that can be verified without the issuer: of a guard that was given no credentials. */
export const WITHOUT_INTROSPECTION: IntrospectedTokens = {
  verify: async () => undefined,
  confirm: async (_token, principal) => ({ ok: true, principal }),
  forget: () => undefined,
};

/**
 * Answers that were good are kept, of at most 10,000 tokens; a refusal never is. Of as many tokens it is remembered that
 * they were good at some time: these are asked about though strings that only look like tokens keep the issuer busy.
 */
export function createIntrospectedTokens(deps: Deps): IntrospectedTokens {
  const { rules, now } = deps;
  const kept = new Map<string, { principal: Principal; since: number }>();
  const asking = new Map<string, Asking>();
  const known = new Set<string>();

  function recall(key: string): Principal | undefined {
    const entry = kept.get(key);
    if (entry === undefined) return undefined;
    const ageMs = now().getTime() - entry.since;
    if (ageMs >= 0 && ageMs < rules.cacheSeconds * 1000) return entry.principal;
    kept.delete(key);
    return undefined;
  }

  function keep(key: string, principal: Principal): void {
    const oldest = kept.keys().next();
    if (kept.size >= CACHE_ENTRIES && !oldest.done) kept.delete(oldest.value);
    kept.set(key, { principal, since: now().getTime() });
    noteStanding(key, true);
  }

  function noteStanding(key: string, isGood: boolean): void {
    known.delete(key);
    if (!isGood) return;
    const oldest = known.values().next();
    if (known.size >= CACHE_ENTRIES && !oldest.done) known.delete(oldest.value);
    known.add(key);
  }

  /** What was said before a revocation came in may be from before it was made, so it is asked for again. */
  async function answered(
    key: string,
    { token, revoked }: { token: string; revoked: Set<string> },
  ): Promise<TokenVerdict> {
    try {
      for (let questions = 0; questions < MAX_QUESTIONS; questions += 1) {
        const judged = await introspected(token, known.has(key) ? 'known' : 'unknown', deps);
        if (judged.ok && revoked.delete(judged.principal.grantId ?? '')) continue;
        // In the same turn as it was looked whether a revocation came, so that none comes in between.
        if (judged.ok) keep(key, judged.principal);
        else if (judged.refusal.reason === 'inactive') noteStanding(key, false);
        return judged;
      }
    } finally {
      asking.delete(key);
    }
    const cause = new Error('each time the issuer was asked about a token, a revocation of it came in');
    return refuse({ reason: 'introspection_unavailable', retryAfterSeconds: RETRY_SECONDS, cause });
  }

  function ask(key: string, token: string): Promise<TokenVerdict> {
    const revoked = new Set<string>();
    const verdict = answered(key, { token, revoked });
    asking.set(key, { verdict, revoked });
    return verdict;
  }

  return {
    async verify(token) {
      if (!(await isPersonalAccessToken(token))) return undefined;
      const key = await sha256(token);
      const principal = recall(key);
      if (principal === undefined) return asking.get(key)?.verdict ?? ask(key, token);
      return judgeTimes(principal, rules, now());
    },
    async confirm(token, principal) {
      if (!rules.accessTokens) return { ok: true, principal };
      const verdict = await introspected(token, 'known', deps);
      if (!verdict.ok) return verdict;
      if (verdict.principal.tokenId !== principal.tokenId) return refuse({ reason: 'malformed_claims' });
      const scopes = principal.scopes.filter((scope) => verdict.principal.scopes.includes(scope));
      return { ok: true, principal: Object.freeze({ ...principal, scopes: Object.freeze(scopes) }) };
    },
    forget(revocations) {
      const grants = new Set(revocations.map(({ gid }) => gid));
      for (const { revoked } of asking.values()) for (const gid of grants) revoked.add(gid);
      for (const [key, { principal }] of kept) if (grants.has(principal.grantId ?? '')) kept.delete(key);
    },
  };
}

/** A question that is under way, and the grants of which a revocation has come meanwhile. */
type Asking = { verdict: Promise<TokenVerdict>; revoked: Set<string> };

async function introspected(
  token: string,
  standing: 'known' | 'unknown',
  { introspect, rules, now }: Deps,
): Promise<TokenVerdict> {
  let claims: Record<string, unknown> | undefined;
  try {
    claims = await introspect(token, standing);
  } catch (cause) {
    return refuse({ reason: 'introspection_unavailable', retryAfterSeconds: RETRY_SECONDS, cause });
  }
  if (claims === undefined) return refuse({ reason: 'inactive' });
  if (claims.iss !== rules.issuer) return refuse({ reason: 'foreign_issuer' });
  if (claims.aud !== rules.audience) return refuse({ reason: 'foreign_audience' });
  const principal = principalOf(claims, 'personal_access_token');
  return principal === undefined ? refuse({ reason: 'malformed_claims' }) : judgeTimes(principal, rules, now());
}

function judgeTimes(principal: Principal, { clockToleranceSeconds }: IntrospectionRules, at: Date): TokenVerdict {
  const endsMs = principal.expiresAt.getTime() + clockToleranceSeconds * 1000;
  return at.getTime() < endsMs ? { ok: true, principal } : refuse({ reason: 'expired' });
}

function refuse(refusal: TokenRefusal): TokenVerdict {
  return { ok: false, refusal };
}
