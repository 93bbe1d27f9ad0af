import { createGuard, type Guard, type GuardOptions, type Refusal } from '../../src/index.ts';
import { NOON, RESOURCE } from './issuer.ts';

export type Guarded = {
  guard: Guard;
  /** Everything refused so far. */
  refusals: Refusal[];
  /** The guard's clock. */
  clock: { now: Date };
};

/** A guard for `RESOURCE` at noon that remembers what it refused. */
export function guarded(issuer: string, options: Partial<GuardOptions> = {}): Guarded {
  const refusals: Refusal[] = [];
  const clock = { now: NOON };
  const guard = createGuard({
    issuer,
    resource: RESOURCE,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
    now: () => clock.now,
    onRefusal: (refusal) => refusals.push(refusal),
    ...options,
  });
  return { guard, refusals, clock };
}

/** A tools/call as an MCP client sends it. */
export function message(token?: string, headers: Record<string, string> = {}, url = RESOURCE): Request {
  return new Request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
}

export function later(date: Date, ms: number): Date {
  return new Date(date.getTime() + ms);
}
