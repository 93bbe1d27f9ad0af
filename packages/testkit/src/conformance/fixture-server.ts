import type { RequestListener } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createGuard } from '@portcullis/guard';
import { nodeGuard } from '@portcullis/guard/node';
import { listenOnLoopback } from '../loopback-server.ts';
import type { TokenIssuer } from '../token-issuer.ts';
import { startTokenIssuer } from '../token-issuer.ts';
import type { FixtureEndpoint } from './fixture-endpoint.ts';
import { createFixtureEndpoint } from './fixture-endpoint.ts';
import { startTokenProxy } from './token-proxy.ts';

/** An MCP endpoint behind the guard, behind a proxy that adds the token: what the conformance suite can talk to. */
export type ConformanceTarget = {
  /** The URL for the suite; the guard takes it for the resource. */
  url: string;
  /** The same server without the proxy: nobody adds a token here. */
  directUrl: string;
  issuer: TokenIssuer;
  close(): Promise<void>;
};

/** Starts a target; `endpoint` is the full fixture by default, and `isGuarded: false` takes the guard away to see what it does. */
export async function startConformanceTarget(
  options: { endpoint?: FixtureEndpoint; isGuarded?: boolean } = {},
): Promise<ConformanceTarget> {
  const { endpoint = createFixtureEndpoint(), isGuarded = true } = options;
  const [issuer, proxy] = await Promise.all([startTokenIssuer(), startTokenProxy()]);
  const resource = `${proxy.origin}/mcp`;
  const open = nodeListener(endpoint);
  const server = await listenOnLoopback(isGuarded ? guarded(open, { issuer: issuer.issuer, resource }) : open);
  proxy.forwardTo({ port: server.port, token: () => issuer.mint(resource, { scope: 'test:all' }) });

  return {
    url: resource,
    directUrl: `${server.origin}/mcp`,
    issuer,
    async close() {
      await endpoint.close();
      await Promise.all([proxy.close(), server.close(), issuer.close()]);
    },
  };
}

function nodeListener(endpoint: FixtureEndpoint): RequestListener {
  const handle = toNodeHandler({ fetch: (request) => endpoint.fetch(request) });
  // The adapter's type wants both to be there, as they always are on a server's request.
  return (request, response) => {
    const { method = 'GET', url = '/' } = request;
    void handle(Object.assign(request, { method, url }), response);
  };
}

function guarded(open: RequestListener, { issuer, resource }: { issuer: string; resource: string }): RequestListener {
  const guard = createGuard({ issuer, resource, scopes: { supported: ['test:all'], baseline: ['test:all'] } });
  const admit = nodeGuard(guard);
  return async (request, response) => {
    if (await admit(request, response)) open(request, response);
  };
}
