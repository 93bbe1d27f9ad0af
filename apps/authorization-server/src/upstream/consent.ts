import type { GrantStore, UpstreamConnectionStore } from '@portcullis/persistence';
import type { Resource } from '../resources.ts';
import { upstreamScopesOf } from './upstream.ts';

/** Whose consent is claimed: of which user, for which client, as which grant, at which resource. */
export type ConsentClaim = { userId: string; clientId: string; grantId: string; resource: Resource };

/** What judging a claim needs. */
export type ConsentDeps = { grants: GrantStore; connections: UpstreamConnectionStore; now: Date };

/**
 * That a user has agreed that this very client uses an upstream. Whatever goes to an upstream, or stores what came of
 * it, asks for one; and {@link UpstreamConsent.verify} is the only way to have one (PX-1, PX-2).
 */
export class UpstreamConsent {
  /** No other object is taken for one. */
  readonly #verified = true;
  readonly userId: string;
  readonly clientId: string;
  readonly grantId: string;
  /** Which upstream. */
  readonly upstream: string;
  /** What the grant needs there; never more than the page named. */
  readonly scopes: readonly string[];

  private constructor({ userId, clientId, grantId }: ConsentClaim, upstream: string, scopes: readonly string[]) {
    this.userId = userId;
    this.clientId = clientId;
    this.grantId = grantId;
    this.upstream = upstream;
    this.scopes = scopes;
  }

  /**
   * Looks a claim up in what is stored: the grant lives, it is this user's and this client's, and the consent page
   * named the upstream and every scope that the grant needs there now. Not checked: the user's session.
   *
   * @returns undefined where any of it does not hold
   */
  static async verify(
    claim: ConsentClaim,
    { grants, connections, now }: ConsentDeps,
  ): Promise<UpstreamConsent | undefined> {
    const { userId, clientId, grantId, resource } = claim;
    const grant = await grants.find({ id: grantId, now });
    if (grant?.userId !== userId || grant.clientId !== clientId || !resource.upstream) return undefined;
    const found = await connections.agreement(grantId);
    if (found?.agreed.upstream !== resource.upstream.name) return undefined;
    const needed = upstreamScopesOf(resource, grant.resources[resource.url] ?? []);
    if (needed.length === 0 || !needed.every((scope) => found.agreed.scopes.includes(scope))) return undefined;
    return new UpstreamConsent(claim, found.agreed.upstream, needed);
  }

  /** Whether an object is one; for where types end. */
  static is(value: unknown): value is UpstreamConsent {
    return typeof value === 'object' && value !== null && #verified in value;
  }
}
