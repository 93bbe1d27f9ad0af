import Router from '@koa/router';
import type { UpstreamFlowStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { PageProblem } from '../http/error-boundary.ts';
import { pageUrl, type Site } from '../site.ts';
import type { Connector } from './connector.ts';
import { receiveAnswer } from './flow.ts';

/** What the route works with. */
export type CallbackDeps = {
  flows: UpstreamFlowStore;
  connectors: ReadonlyMap<string, Connector>;
  site: Site;
  clock: Clock;
};

/**
 * `/upstream/:upstream/callback`: where upstreams send browsers back to. Nothing is decided, redeemed or stored here, and
 * there is no such page for a name that the configuration does not have.
 */
export function upstreamCallback({ flows, connectors, site, clock }: CallbackDeps): Router {
  const router = new Router({ strict: true, sensitive: true });
  router.get('/upstream/:upstream/callback', async (ctx, next) => {
    const upstream = String(ctx.params.upstream);
    if (!connectors.has(upstream)) return next();
    const interaction = await receiveAnswer(ctx, upstream, { flows, site, now: clock() });
    if (interaction === undefined) throw new PageProblem(NOT_EXPECTED);
    ctx.set('Cache-Control', 'no-store');
    ctx.status = 303;
    ctx.redirect(pageUrl(site, `/interaction/${interaction}`));
  });
  return router;
}

const NOT_EXPECTED = {
  status: 400,
  title: 'This answer was not expected',
  explanation:
    'It was used already, took longer than ten minutes, or belongs to another browser or service. Nothing was stored.',
  advice: ['Go back to your app and start again.'],
};
