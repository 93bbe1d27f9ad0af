import { expect, test } from '@jest/globals';
import type { Context } from 'koa';
import { UpstreamConsent } from '../src/upstream/consent.ts';
import { beginFlow, type FlowDeps } from '../src/upstream/flow.ts';

const claim = { userId: 'user', clientId: 'client', grantId: 'grant', upstream: 'github', scopes: ['repo'] };

test('PX-1 code that goes upstream without consent does not type-check, and does not run', async () => {
  const go = (ctx: Context, deps: FlowDeps) =>
    // @ts-expect-error An object of the same shape is no consent.
    beginFlow(ctx, { consent: claim, interaction: 'interaction' }, deps);
  await expect(Reflect.apply(go, undefined, [{}, {}])).rejects.toThrow('without consent');
});

test('PX-2 nobody can make a consent but by what is stored', () => {
  // @ts-expect-error The constructor is private: UpstreamConsent.verify is the only way.
  const make = () => new UpstreamConsent(claim, 'github', ['repo']);
  expect(make).toBeDefined();
  expect(UpstreamConsent.is(claim)).toBe(false);
});
