import Router from '@koa/router';
import type { Departure } from '@portcullis/platform';

/**
 * `GET /healthz` (the process is up) and `GET /readyz` (what it needs can be reached, and it is not about to stop); both
 * answer under any host.
 */
export function healthRouter(ready: () => Promise<void>, departure: Pick<Departure, 'isNear'>): Router {
  const router = new Router();
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'up' };
  });
  router.get('/readyz', async (ctx) => {
    try {
      if (departure.isNear()) throw new Error('the process is about to stop');
      await ready();
      ctx.body = { status: 'ready' };
    } catch {
      ctx.status = 503;
      ctx.body = { status: 'not ready' };
    }
  });
  return router;
}
