import Router from '@koa/router';

const PATHS = ['/register', '/register/:clientId'];

/**
 * Lets browser apps register. A registration carries no cookie and no secret of the user's, so any origin may send one (SP-22 is about the token and authorization endpoints).
 */
export function registrationCors(): Router {
  const router = new Router();
  router.options(PATHS, (ctx) => {
    ctx.status = 204;
    ctx.set({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'POST, GET, PUT, DELETE',
      'Access-Control-Allow-Headers': 'Authorization, Content-Type, MCP-Protocol-Version',
      'Access-Control-Max-Age': '3600',
    });
  });
  router.all(PATHS, async (ctx, next) => {
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Access-Control-Expose-Headers', 'Retry-After, WWW-Authenticate, X-Correlation-Id');
    await next();
  });
  return router;
}
