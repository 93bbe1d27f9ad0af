import { type Clock, isLoopbackHost } from '@portcullis/platform';
import type { Config } from '../config.ts';
import { createEgress } from '../egress/egress.ts';
import { isNamedServersAddress } from '../egress/public-address.ts';
import type { Site } from '../site.ts';
import { type Connector, createConnector } from './connector.ts';
import type { SignInProviders } from './sign-in-flow.ts';
import { type Upstream, upstreamOrigins } from './upstream.ts';

/** More than the metadata and key set of any known service. */
const SIZE_BYTES = 256 * 1024;

/**
 * A connector for each configured upstream, by its name. Each reaches the servers that the operator named for it, and
 * public ones that those name; loopback only where this server's own issuer is there (SP-32).
 */
export function createConnectors({ upstreams, site }: Config, clock: Clock): ReadonlyMap<string, Connector> {
  return new Map(upstreams.map((upstream) => [upstream.key, connectorFor(upstream, { site, clock })]));
}

/**
 * The upstreams that people sign in through. Their connectors ask for nothing but who somebody is: no access, and
 * nothing that stays.
 */
export function createSignInProviders({ upstreams, site }: Config, clock: Clock): SignInProviders {
  return new Map(
    upstreams.flatMap(({ signIn: policy, ...upstream }) => {
      if (!policy) return [];
      const bare = { ...upstream, signIn: policy, baseScopes: [], authorizationParameters: {} };
      return [[upstream.key, { connector: connectorFor(bare, { site, clock }), policy }]] as const;
    }),
  );
}

function connectorFor(upstream: Upstream, { site, clock }: { site: Site; clock: Clock }): Connector {
  const loopback = isLoopbackHost(new URL(site.issuer).hostname);
  const mayConnectTo = (address: string) => isNamedServersAddress(address, { loopback });
  const trusted = { origins: upstreamOrigins(upstream), mayConnectTo };
  const egress = createEgress({ trusted, maxSizeBytes: SIZE_BYTES, maxConcurrent: 100 });
  return createConnector(upstream, { egress, now: clock });
}
