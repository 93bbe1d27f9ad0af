import Router from '@koa/router';
import type { RevocationLog } from '@portcullis/persistence';
import type { Context } from 'koa';
import { positionOf } from './event-stream.ts';
import { resourceOf } from './resource-server.ts';
import { authenticateResourceServer, type ResourceServer, type ResourceServerDeps } from './resource-server-caller.ts';
import type { RevocationFeed } from './revocation-feed.ts';
import { streamRevocations } from './revocation-stream.ts';

/** What the route works with. */
export type RevocationRouterDeps = ResourceServerDeps & { feed: RevocationFeed; log: RevocationLog };

/** The route, and how to end the streams that are open. */
export type RevocationRouter = { router: Router; close(): void };

/** Enough for the replicas of a resource server, and few enough for one that keeps opening streams. */
const STREAMS_PER_CLIENT = 32;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // Proxies such as nginx would keep events back until they have collected enough of them.
  'X-Accel-Buffering': 'no',
  // A connection that was kept after its stream would hold up the end of the server.
  Connection: 'close',
};

/** `GET /revocations`: server-sent events for the server of a resource about the tokens for it. */
export function revocationRouter(deps: RevocationRouterDeps): RevocationRouter {
  const closing = new AbortController();
  const streams = new Map<string, number>();
  const router = new Router({ strict: true, sensitive: true });
  router.get('/revocations', async (ctx) => {
    const caller = await authenticateResourceServer(ctx, deps);
    if (!caller) return;
    if (ctx.method === 'HEAD') {
      ctx.set(HEADERS);
      ctx.status = 200;
      return;
    }
    const open = streams.get(caller.id) ?? 0;
    if (open >= STREAMS_PER_CLIENT) return tooManyStreams(ctx);
    if (closing.signal.aborted) return shuttingDown(ctx);
    streams.set(caller.id, open + 1);
    try {
      await stream(ctx, { caller, signal: closing.signal, deps });
    } finally {
      streams.set(caller.id, (streams.get(caller.id) ?? 1) - 1);
    }
  });
  return { router, close: () => closing.abort() };
}

async function stream(
  ctx: Context,
  { caller, signal, deps }: { caller: ResourceServer; signal: AbortSignal; deps: RevocationRouterDeps },
): Promise<void> {
  ctx.status = 200;
  ctx.set(HEADERS);
  ctx.respond = false;
  ctx.flushHeaders();
  await streamRevocations(
    {
      response: ctx.res,
      resource: caller.resource,
      resumeAt: positionOf(ctx.get('last-event-id') || undefined),
      mayListen: async () => (await resourceOf(caller, deps)) === caller.resource,
      signal,
    },
    deps,
  );
}

function tooManyStreams(ctx: Context): void {
  ctx.status = 429;
  ctx.set('Retry-After', '10');
  ctx.body = {
    error: 'temporarily_unavailable',
    error_description: `this client has ${STREAMS_PER_CLIENT} streams open here already`,
  };
}

function shuttingDown(ctx: Context): void {
  ctx.status = 503;
  ctx.set('Retry-After', '1');
  ctx.body = { error: 'temporarily_unavailable', error_description: 'this server is about to stop' };
}
