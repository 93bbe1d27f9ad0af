import type Router from '@koa/router';
import type { Logger } from '@portcullis/platform';
import type { RequestState } from './correlation-id.ts';

/** Something that must work before this server can do its task; rejects or says false while it does not. */
export type ReadinessCheck = { name: string; passes(): Promise<boolean> };

const CHECK_TIMEOUT_MS = 3000;

/** `GET /healthz`: the process is up. `GET /readyz`: every check passes, or 503 with the names of those that do not. */
export function healthRoutes(router: Router<RequestState>, checks: readonly ReadinessCheck[], logger: Logger): void {
  router.get('/healthz', (context) => {
    context.set('Cache-Control', 'no-store');
    context.body = { status: 'up' };
  });
  router.get('/readyz', async (context) => {
    const results = await Promise.all(
      checks.map(async (check) => ({ name: check.name, ok: await passes(check, logger) })),
    );
    const failing = results.filter(({ ok }) => !ok).map(({ name }) => name);
    context.set('Cache-Control', 'no-store');
    context.status = failing.length === 0 ? 200 : 503;
    context.body = failing.length === 0 ? { status: 'ready' } : { status: 'not ready', failing };
  });
}

async function passes(check: ReadinessCheck, logger: Logger): Promise<boolean> {
  const timeout = new Promise<boolean>((resolve) => setTimeout(resolve, CHECK_TIMEOUT_MS, false).unref());
  try {
    return await Promise.race([check.passes(), timeout]);
  } catch (cause) {
    logger.warn({ err: cause, check: check.name }, 'a readiness check failed');
    return false;
  }
}
