import { createGuard, type Principal } from '@portcullis/guard';
import { koaGuard } from '@portcullis/guard/koa';
import Koa from 'koa';

export function helloApp(issuer: string, resource: string) {
  const guard = createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
  });

  const app = new Koa<{ principal: Principal }>();
  app.use(koaGuard(guard));
  app.use((ctx) => {
    ctx.body = `Hello, ${ctx.state.principal.subject}`;
  });
  return app;
}
