import Router from '@koa/router';
import type { ClientStore, RegistrationTokenStore } from '@portcullis/persistence';
import type { AuditSink, Clock, Logger } from '@portcullis/platform';
import type { Context, Middleware } from 'koa';
import type { default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import type { CountRegistration } from '../metrics.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { Site } from '../site.ts';
import { deleteClient, readClient, updateClient } from './management.ts';
import type { RegistrationPolicy } from './policy.ts';
import type { RegistrationQuota } from './quota.ts';
import { createRegistrationRecords, type RegistrationRecords } from './records.ts';
import { registerClient } from './register.ts';
import { acceptJson } from './request-body.ts';

/** What the registration endpoints need. */
export type RegistrationDeps = {
  provider: Provider;
  site: Site;
  catalogue: ResourceCatalogue;
  policy: RegistrationPolicy;
  /** Ports beside 443 that keys may be fetched from. */
  fetchPorts: readonly number[];
  clients: ClientStore;
  tokens: RegistrationTokenStore;
  quota: RegistrationQuota;
  audit: AuditSink;
  countRegistration: CountRegistration;
  clock: Clock;
  log: Logger;
};

/** The same, with the records that they write. */
export type RegistrationHandlerDeps = RegistrationDeps & { records: RegistrationRecords };

/** Clients register here (RFC 7591), and look after what they registered (RFC 7592). */
export function registrationRouter(deps: RegistrationDeps): Router {
  const router = new Router();
  const withRecords = { ...deps, records: createRegistrationRecords(deps) };
  router.use('/register', answerInJson(deps.log), acceptJson());
  router.post('/register', (ctx) => registerClient(ctx, withRecords));
  router.get('/register/:clientId', (ctx) => readClient(ctx, withRecords));
  router.put('/register/:clientId', (ctx) => updateClient(ctx, withRecords));
  router.delete('/register/:clientId', (ctx) => deleteClient(ctx, withRecords));
  return router;
}

/** Programs read these answers: a fault is JSON too, and nothing is kept (RFC 7591 §5). */
function answerInJson(log: Logger): Middleware {
  return async (ctx: Context, next) => {
    ctx.set('Cache-Control', 'no-store');
    ctx.set('Pragma', 'no-cache');
    try {
      await next();
    } catch (cause) {
      log.error({ err: cause, correlationId: requestContext(ctx).correlationId }, 'request failed');
      ctx.status = 500;
      ctx.body = { error: 'server_error', error_description: 'something went wrong here; try again in a moment' };
    }
  };
}
