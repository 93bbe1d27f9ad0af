import Router from '@koa/router';
import type { UpstreamFlowStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { PageProblem } from '../http/error-boundary.ts';
import { pageUrl, type Site } from '../site.ts';
import { receiveAnswer } from './flow.ts';

/** What the route works with. */
export type CallbackDeps = { flows: UpstreamFlowStore; site: Site; clock: Clock };

/** `/upstream/:upstream/callback`: where upstreams send browsers back to. Nothing is decided, redeemed or stored here. */
export function upstreamCallback({ flows, site, clock }: CallbackDeps): Router {
  const router = new Router({ strict: true, sensitive: true });
  router.get('/upstream/:upstream/callback', async (ctx) => {
    const interaction = await receiveAnswer(ctx, String(ctx.params.upstream), { flows, site, now: clock() });
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
