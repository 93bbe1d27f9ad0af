import { QUOTABLE } from './challenge.ts';
import { indexDeclarations } from './declarations.ts';
import { createNonces } from './dpop-nonce.ts';
import type { FeedPolicy } from './feed-freshness.ts';
import type { PossessionRules } from './possession.ts';
import type { Refusal } from './refusal.ts';
import { createReplayMemory, type ReplayStore } from './replay-store.ts';
import type { RevocationFeedChange } from './revocation-feed.ts';
import { type ScopeOptions, type ScopeSettings, scopeProblems, scopeSettings } from './scope-settings.ts';
import { canonicalHost, isProtected } from './web-address.ts';

/** What a guard is told once, at the start. */
export type GuardOptions = ScopeOptions & {
  /**
   * The authorization server's issuer identifier, exactly as its tokens and its metadata have it. `https:`, or
   * `http:` on loopback; may have a path; no query, no fragment.
   */
  issuer: string;
  /**
   * The canonical URL of the protected MCP server: the one audience that tokens may have. Absolute, lower-case
   * scheme and host, no query, no fragment; `https:`, or `http:` on loopback.
   */
  resource: string;
  /** `realm` of every challenge: printable ASCII without `"` and `\`. Default: `mcp`. */
  realm?: string;
  /** `resource_name` of the metadata, for people. Default: none. */
  resourceName?: string;
  /** Browser origins that may call, besides the resource's own, as browsers write them. `*` is refused. Default: none. */
  allowedOrigins?: readonly string[];
  /** `Host` values that are taken, with the port if it is not the scheme's own. Default: the resource's host. */
  allowedHosts?: readonly string[];
  /** By how much two clocks may differ when `exp`, `nbf` and `iat` are judged: 0 to 60 seconds. Default: 5. */
  clockToleranceSeconds?: number;
  /** JWS algorithms that are taken, of the asymmetric ones. Default: ES256, EdDSA, Ed25519, PS256, RS256. */
  algorithms?: readonly string[];
  /**
   * How many tokens with a good signature are remembered, so that they need not be verified again while the issuer's keys
   * are the same: 0 to 100,000, about 1 KB each. All else is judged anew on every request. Default: 10,000.
   */
  rememberedTokens?: number;
  /**
   * What every token must be bound to: a key that the client proves with DPoP (RFC 9449), or the certificate that it
   * connects with (RFC 8705). Bearer tokens are then refused. Default: none; a token that is bound has to be proven
   * all the same.
   */
  proofOfPossession?: 'dpop' | 'certificate';
  dpop?: {
    /** JWS algorithms that proofs may have, of the asymmetric ones. Default: ES256, EdDSA, Ed25519, PS256, RS256. */
    algorithms?: readonly string[];
    /** By how much a proof's `iat` may differ from the guard's clock, either way: 5 to 600 seconds. Default: 60. */
    windowSeconds?: number;
    /**
     * With it every proof must have a nonce that a guard with the same secret issued in the last two minutes, and the
     * client's clock no longer matters. At least 32 random bytes, the same in all processes of one resource. Default:
     * no nonces.
     */
    nonceSecret?: Uint8Array;
    /** Where used proofs are remembered. Default: in this process, at most 100,000. */
    replays?: ReplayStore;
  };
  /**
   * The URL of a request as clients know it, to which proofs are compared. Needed only where a proxy changes paths.
   * Default: the origin of `resource` with the request's path.
   */
  publicUrl?: (request: Request) => string;
  /** The largest request body: 1 to 64 MiB, in bytes. Default: 1 MiB. */
  bodyLimitBytes?: number;
  /**
   * Whether the guard also answers `/.well-known/oauth-authorization-server` on the resource's origin with a copy of
   * the issuer's metadata. Clients of the 2025-03-26 protocol look only there. Default: false.
   */
  mirrorIssuerMetadata?: boolean;
  jwks?: {
    /** Where the keys are. Default: `jwks_uri` of the issuer's metadata. */
    url?: string;
    /** For how long the issuer is left alone after a fetch, whatever keys tokens name: 1000 to 600,000 ms. Default: 30,000. */
    cooldownMs?: number;
    /** How long one fetch may take: 100 to 60,000 ms. Default: 5000. */
    timeoutMs?: number;
    /** For how long fetched keys are taken without asking again: 1000 to 86,400,000 ms. Default: 600,000. */
    maxAgeMs?: number;
    /**
     * For how much longer known keys are taken while the issuer cannot be reached: 0 to 86,400,000 ms. Default:
     * 3,600,000. It bounds how long a key that the issuer has withdrawn can still be used by somebody who also keeps
     * us from reaching the issuer.
     */
    maxStaleMs?: number;
  };
  /** Makes the requests to the issuer. Default: the runtime's own. */
  fetch?: typeof globalThis.fetch;
  /**
   * How the guard hears of revocations: with credentials it keeps a connection to the issuer open from the start, and
   * refuses tokens of a revoked grant at once. It has to be closed then. Default: none, and a revoked token is taken
   * until it expires.
   */
  revocation?: {
    /** The client that this resource server is at the issuer. */
    clientId: string;
    clientSecret: string;
    /**
     * When nothing was heard for too long: `fail-closed-after` answers 503 with `Retry-After`, never 401, which would
     * make clients throw good tokens away; `until-expiry` goes on with what is known. Default: `fail-closed-after`.
     */
    whenFeedIsDown?: 'fail-closed-after' | 'until-expiry';
    /** How long that is: 6 to 3600 seconds. Default: 60. A guard that just started counts from its start. */
    failClosedAfterSeconds?: number;
    /** Where the feed is. Default: `revocation_events_endpoint` of the issuer's metadata. */
    eventsUrl?: string;
  };
  /**
   * How the issuer is asked about tokens, with the credentials of `revocation`: about personal access tokens always,
   * and about access tokens if so wished. Without those credentials nobody is asked, and personal access tokens are
   * refused.
   */
  introspection?: {
    /** Where it is asked. Default: `introspection_endpoint` of the issuer's metadata. */
    url?: string;
    /** How long one question may take: 100 to 60,000 ms. Default: 5000. */
    timeoutMs?: number;
    /**
     * For how long a good answer about a personal access token is kept, unless the feed tells of a revocation: 0 to
     * 3600 seconds. Default: 300.
     */
    cacheSeconds?: number;
    /**
     * Whether the issuer is asked about every access token too, at each request and after it was verified. Default:
     * false.
     */
    accessTokens?: boolean;
  };
  /** Told how the revocation feed is, whenever that changes; a guard without credentials says so at the start. */
  onRevocationFeed?: (change: RevocationFeedChange) => void;
  /** The clock. Default: the system's. */
  now?: () => Date;
  /** Told of every refusal, for a log or a counter. What it throws, the guard throws. */
  onRefusal?: (refusal: Refusal, request?: Request) => void;
};

/** The options, judged and complete. */
export type GuardSettings = ScopeSettings &
  Readonly<{
    issuer: string;
    resource: string;
    realm: string;
    resourceName: string | undefined;
    allowedOrigins: ReadonlySet<string>;
    allowedHosts: ReadonlySet<string>;
    clockToleranceSeconds: number;
    algorithms: readonly string[];
    rememberedTokens: number;
    possession: PossessionRules;
    publicUrl: (request: Request) => string;
    bodyLimitBytes: number;
    mirrorIssuerMetadata: boolean;
    keys: Readonly<{
      url: string | undefined;
      cooldownMs: number;
      timeoutMs: number;
      maxAgeMs: number;
      maxStaleMs: number;
    }>;
    revocation:
      | Readonly<{ clientId: string; clientSecret: string; eventsUrl: string | undefined; policy: FeedPolicy }>
      | undefined;
    introspection: Readonly<{
      url: string | undefined;
      timeoutMs: number;
      cacheSeconds: number;
      accessTokens: boolean;
    }>;
    onRevocationFeed: (change: RevocationFeedChange) => void;
    fetch: typeof globalThis.fetch;
    now: () => Date;
    onRefusal: (refusal: Refusal, request?: Request) => void;
  }>;

const DEFAULT_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'];
const ASYMMETRIC = new Set([...DEFAULT_ALGORITHMS, 'ES384', 'ES512', 'PS384', 'PS512', 'RS384', 'RS512']);
const DAY_MS = 86_400_000;

/**
 * Judges the options and fills in what is left out.
 *
 * @throws TypeError that names every problem at once
 */
export function readOptions(options: GuardOptions): GuardSettings {
  const declarations = options.declarations && indexDeclarations(options.declarations);
  const problems = [
    ...addressProblems(options),
    ...scopeProblems(options, declarations),
    ...nameProblems(options),
    ...numberProblems(options),
  ];
  if (problems.length > 0) throw new TypeError(`The guard cannot work with these options: ${problems.join('; ')}.`);
  const { protocol, host, origin } = new URL(options.resource);
  const hosts = (options.allowedHosts ?? [host]).map((entry) => canonicalHost(entry, protocol) ?? entry);
  return Object.freeze({
    issuer: options.issuer,
    resource: options.resource,
    ...scopeSettings(options, declarations),
    realm: options.realm ?? 'mcp',
    resourceName: options.resourceName,
    allowedOrigins: new Set([origin, ...(options.allowedOrigins ?? [])]),
    allowedHosts: new Set(hosts),
    clockToleranceSeconds: options.clockToleranceSeconds ?? 5,
    algorithms: [...(options.algorithms ?? DEFAULT_ALGORITHMS)],
    rememberedTokens: options.rememberedTokens ?? 10_000,
    possession: possessionRules(options),
    publicUrl: options.publicUrl ?? ((request) => origin + new URL(request.url).pathname),
    bodyLimitBytes: options.bodyLimitBytes ?? 1024 * 1024,
    mirrorIssuerMetadata: options.mirrorIssuerMetadata ?? false,
    keys: {
      url: options.jwks?.url,
      cooldownMs: options.jwks?.cooldownMs ?? 30_000,
      timeoutMs: options.jwks?.timeoutMs ?? 5000,
      maxAgeMs: options.jwks?.maxAgeMs ?? 600_000,
      maxStaleMs: options.jwks?.maxStaleMs ?? 3_600_000,
    },
    revocation: options.revocation && feedSettings(options.revocation),
    introspection: {
      url: options.introspection?.url,
      timeoutMs: options.introspection?.timeoutMs ?? 5000,
      cacheSeconds: options.introspection?.cacheSeconds ?? 300,
      accessTokens: options.introspection?.accessTokens ?? false,
    },
    onRevocationFeed: options.onRevocationFeed ?? (() => undefined),
    fetch: options.fetch ?? globalThis.fetch,
    now: options.now ?? (() => new Date()),
    onRefusal: options.onRefusal ?? (() => undefined),
  });
}

function possessionRules({ resource, proofOfPossession, dpop = {} }: GuardOptions): PossessionRules {
  const { algorithms, windowSeconds, nonceSecret, replays } = dpop;
  return {
    demanded: proofOfPossession,
    algorithms: [...(algorithms ?? DEFAULT_ALGORITHMS)],
    windowSeconds: windowSeconds ?? 60,
    nonces: nonceSecret && createNonces({ secret: nonceSecret, resource }),
    replays: replays ?? createReplayMemory(),
  };
}

function feedSettings(revocation: NonNullable<GuardOptions['revocation']>): GuardSettings['revocation'] {
  const { clientId, clientSecret, eventsUrl, whenFeedIsDown, failClosedAfterSeconds = 60 } = revocation;
  const policy: FeedPolicy =
    whenFeedIsDown === 'until-expiry'
      ? { whenFeedIsDown }
      : { whenFeedIsDown: 'fail-closed-after', failClosedAfterSeconds };
  return { clientId, clientSecret, eventsUrl, policy };
}

function addressProblems(options: GuardOptions): string[] {
  const { issuer, resource, allowedHosts, allowedOrigins, jwks, revocation, introspection } = options;
  return [
    ...(isIdentifier(issuer) ? [] : ['issuer must be an https URL (or http on loopback) without query and fragment']),
    ...(isIdentifier(resource) && isCanonical(resource)
      ? []
      : ['resource must be a canonical https URL (or http on loopback) without query and fragment']),
    ...endpointProblems('jwks.url', jwks?.url),
    ...endpointProblems('revocation.eventsUrl', revocation?.eventsUrl),
    ...endpointProblems('introspection.url', introspection?.url),
    ...(introspection && !revocation ? ['introspection needs the credentials of revocation'] : []),
    ...(revocation && !(revocation.clientId && revocation.clientSecret)
      ? ['revocation needs a clientId and a clientSecret']
      : []),
    ...(allowedHosts ?? []).flatMap((host) =>
      canonicalHost(host, 'https:') === undefined ? [`allowedHosts: ${host} is no host`] : [],
    ),
    ...(allowedOrigins ?? []).flatMap((origin) => (isOrigin(origin) ? [] : [`allowedOrigins: ${origin} is no origin`])),
  ];
}

function endpointProblems(option: string, url: string | undefined): string[] {
  if (url === undefined || (URL.canParse(url) && isProtected(new URL(url)))) return [];
  return [`${option} must be an https URL (or http on loopback)`];
}

function nameProblems({ realm, algorithms, dpop }: GuardOptions): string[] {
  return [
    ...(QUOTABLE.test(realm ?? '') ? [] : ['realm must be printable ASCII without quote and backslash']),
    ...algorithmProblems('algorithms', algorithms),
    ...algorithmProblems('dpop.algorithms', dpop?.algorithms),
  ];
}

function algorithmProblems(option: string, algorithms: readonly string[] | undefined): string[] {
  if (algorithms?.length === 0) return [`${option} must not be empty`];
  return (algorithms ?? []).flatMap((name) => (ASYMMETRIC.has(name) ? [] : [`${option}: ${name} is not asymmetric`]));
}

function numberProblems(options: GuardOptions): string[] {
  const { clockToleranceSeconds, rememberedTokens, bodyLimitBytes, dpop, jwks, revocation, introspection } = options;
  return [
    outside('clockToleranceSeconds', clockToleranceSeconds, [0, 60]),
    outside('rememberedTokens', rememberedTokens, [0, 100_000]),
    outside('bodyLimitBytes', bodyLimitBytes, [1, 64 * 1024 * 1024]),
    outside('dpop.windowSeconds', dpop?.windowSeconds, [5, 600]),
    outside('dpop.nonceSecret', dpop?.nonceSecret?.byteLength, [32, 1024, ' bytes']),
    outside('jwks.cooldownMs', jwks?.cooldownMs, [1000, 600_000]),
    outside('jwks.timeoutMs', jwks?.timeoutMs, [100, 60_000]),
    outside('jwks.maxAgeMs', jwks?.maxAgeMs, [1000, DAY_MS]),
    outside('jwks.maxStaleMs', jwks?.maxStaleMs, [0, DAY_MS]),
    outside('revocation.failClosedAfterSeconds', revocation?.failClosedAfterSeconds, [6, 3600]),
    outside('introspection.timeoutMs', introspection?.timeoutMs, [100, 60_000]),
    outside('introspection.cacheSeconds', introspection?.cacheSeconds, [0, 3600]),
  ].flatMap((problem) => problem ?? []);
}

function outside(
  name: string,
  value: number | undefined,
  [min, max, unit = '']: [number, number, string?],
): string | undefined {
  const isInside = value === undefined || (value >= min && value <= max);
  return isInside ? undefined : `${name} must be ${min} to ${max}${unit}`;
}

function isIdentifier(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return false;
  const url = new URL(text);
  return isProtected(url) && url.username === '' && url.password === '';
}

// The parser's own form, or that form without the slash that it puts after a bare host.
function isCanonical(text: string): boolean {
  const { href, pathname } = new URL(text);
  return text === href || (pathname === '/' && `${text}/` === href);
}

// Editors give their web views origins with a scheme of their own, which URL.origin calls "null".
function isOrigin(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*]+$/.test(text);
}
