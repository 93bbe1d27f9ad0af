import Router from '@koa/router';
import type { Logos } from './logos.ts';

/**
 * Serves logos that are known already. The type is one of ours and never guessed, and whatever a browser makes of the
 * bytes is in a sandbox and reaches nothing.
 */
export function logoRouter(logos: Pick<Logos, 'find'>): Router {
  const router = new Router();
  router.get('/logos/:id', async (ctx) => {
    const { id = '' } = ctx.params;
    const logo = /^[\w-]{43}$/.test(id) ? await logos.find(id) : undefined;
    if (!logo) {
      ctx.status = 404;
      ctx.body = 'There is no such logo.';
      return;
    }
    ctx.set({
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Cache-Control': 'private, max-age=3600',
    });
    ctx.type = logo.type;
    ctx.body = logo.body;
  });
  return router;
}
