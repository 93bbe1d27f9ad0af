import { createHash, randomBytes } from 'node:crypto';

/** How the third party misbehaves; nothing by default. */
export type Faults = {
  /** What the authorization endpoint does with an answer. */
  authorize?: 'error' | 'wrong_iss' | 'no_iss' | undefined;
  /** What the token endpoint does instead of answering, or before it does: `late` is soon enough. */
  token?: 'down' | 'slow' | 'late' | 'error' | undefined;
  /** The status and the `error` that refreshes are answered with. */
  refresh?: { status: number; error: string } | undefined;
  /** Whether it gives no refresh tokens. */
  noRefreshTokens?: boolean | undefined;
  /** The status that revocations are answered with, without doing them. */
  revocation?: number | undefined;
  /** Whether revoking one token ends all of its account. */
  revokesAll?: boolean | undefined;
  /** Whether a second authorization of an account gives the tokens of the first. */
  sameTokens?: boolean | undefined;
  /** The status that the question is answered with whose a token is. */
  user?: number | undefined;
  /** The scopes of an answer, in place of those that were asked for. */
  scope?: string | undefined;
  /** Claims of ID tokens, over the good ones. */
  claims?: Record<string, unknown> | undefined;
  /** Scopes that are given beside what was asked for. */
  extraScope?: string | undefined;
  /** How long access tokens live, in seconds; an hour by default. */
  tokenLifeSeconds?: number | undefined;
};

/** A request as it came in. */
export type RecordedRequest = { method: string; url: string; headers: Record<string, unknown>; body: string };

/** A code that was given out. */
type Code = {
  account: string;
  scope: string;
  redirectUri: string;
  challenge: string;
  nonce: string | undefined;
};

/** What an access or refresh token stands for. */
type Token = { kind: 'access' | 'refresh'; account: string; scope: string; expiresAt: number; family: string };

/** Everything that the third party remembers. */
export type Memory = {
  faults: Faults;
  requests: RecordedRequest[];
  refreshes: number;
  addCode(code: Code): string;
  /** A code, once; a wrong verifier or redirect URI spoils it. */
  takeCode(value: string, proof: { redirectUri: string; verifier: string }): Code | undefined;
  /** An access and a refresh token of one family. */
  issue(o: { account: string; scope: string; family?: string }): {
    access: string;
    refresh: string;
    lifeSeconds: number;
  };
  find(kind: Token['kind'], value: string): Token | undefined;
  /** Forgets a token; of a refresh token all of its family. With `account`, all that its account has. */
  revoke(value: string, reach?: 'family' | 'account'): void;
};

/** Nothing to begin with. */
export function createMemory(): Memory {
  const codes = new Map<string, Code>();
  const tokens = new Map<string, Token>();
  /** The newest tokens of each account. */
  const last = new Map<string, { access: string; refresh: string }>();
  const memory: Memory = {
    faults: {},
    requests: [],
    refreshes: 0,
    addCode(code) {
      const value = `code-${random()}`;
      codes.set(value, code);
      return value;
    },
    takeCode(value, { redirectUri, verifier }) {
      const code = codes.get(value);
      codes.delete(value);
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      return code?.challenge === challenge && code.redirectUri === redirectUri ? code : undefined;
    },
    issue({ account, scope, family = random() }) {
      const lifeSeconds = memory.faults.tokenLifeSeconds ?? 3600;
      const same = memory.faults.sameTokens ? last.get(account) : undefined;
      if (same && tokens.has(same.access) && tokens.has(same.refresh)) return { ...same, lifeSeconds };
      const [access, refresh] = [`third-party-access-${random()}`, `third-party-refresh-${random()}`];
      tokens.set(access, { kind: 'access', account, scope, family, expiresAt: Date.now() + lifeSeconds * 1000 });
      tokens.set(refresh, { kind: 'refresh', account, scope, family, expiresAt: Number.POSITIVE_INFINITY });
      last.set(account, { access, refresh });
      return { access, refresh, lifeSeconds };
    },
    find(kind, value) {
      const token = tokens.get(value);
      return token?.kind === kind && token.expiresAt > Date.now() ? token : undefined;
    },
    revoke(value, reach = 'family') {
      const token = tokens.get(value);
      tokens.delete(value);
      if (!token || (token.kind === 'access' && reach === 'family')) return;
      for (const [other, one] of tokens) if (one[reach] === token[reach]) tokens.delete(other);
    },
  };
  return memory;
}

function random(): string {
  return randomBytes(18).toString('base64url');
}
