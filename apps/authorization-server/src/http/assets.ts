import Router from '@koa/router';
import { assets } from '../pages/assets.ts';

/** The stylesheet and the mark; their paths change with their content, so a browser may keep them for ever. */
export function assetsRouter(): Router {
  const router = new Router();
  for (const { path, contentType, body } of assets) {
    router.get(path, (ctx) => {
      ctx.type = contentType;
      ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
      ctx.body = body;
    });
  }
  return router;
}
