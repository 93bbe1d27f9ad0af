import Router from '@koa/router';
import { pageUrl, type Site } from '../site.ts';

/** The issuer itself: clients never ask for it, but whoever runs the server opens the address that it prints. */
export function homeRouter(site: Site): Router {
  const router = new Router();
  router.get('/', (ctx) => {
    ctx.status = 303;
    ctx.redirect(pageUrl(site, '/account'));
  });
  return router;
}
