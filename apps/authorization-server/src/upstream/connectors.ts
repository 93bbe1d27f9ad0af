import { type Clock, isLoopbackHost } from '@portcullis/platform';
import type { Config } from '../config.ts';
import { createEgress } from '../egress/egress.ts';
import { isNamedServersAddress } from '../egress/public-address.ts';
import { type Connector, createConnector } from './connector.ts';
import { upstreamOrigins } from './upstream.ts';

/** More than the metadata and key set of any known service. */
const SIZE_BYTES = 256 * 1024;

/**
 * A connector for each configured upstream, by its name. Each reaches the servers that the operator named for it, and
 * public ones that those name; loopback only where this server's own issuer is there (SP-32).
 */
export function createConnectors({ upstreams, site }: Config, clock: Clock): ReadonlyMap<string, Connector> {
  const loopback = isLoopbackHost(new URL(site.issuer).hostname);
  return new Map(
    upstreams.map((upstream) => {
      const mayConnectTo = (address: string) => isNamedServersAddress(address, { loopback });
      const trusted = { origins: upstreamOrigins(upstream), mayConnectTo };
      const egress = createEgress({ trusted, maxSizeBytes: SIZE_BYTES, maxConcurrent: 100 });
      return [upstream.key, createConnector(upstream, { egress, now: clock })];
    }),
  );
}
