import Router from '@koa/router';

/** `GET /healthz` (the process is up) and `GET /readyz` (what it needs can be reached); both answer under any host. */
export function healthRouter(ready: () => Promise<void>): Router {
  const router = new Router();
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'up' };
  });
  router.get('/readyz', async (ctx) => {
    try {
      await ready();
      ctx.body = { status: 'ready' };
    } catch {
      ctx.status = 503;
      ctx.body = { status: 'not ready' };
    }
  });
  return router;
}
