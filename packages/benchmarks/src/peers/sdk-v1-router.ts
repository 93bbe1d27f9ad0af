import { findFreePort } from '@portcullis/testkit';
import { startProgram } from '../child-program.ts';
import { familiesOf, type SignInTarget } from '../scenarios/journey.ts';
import type { Machine } from './issuer-about.ts';
import { makeKey } from './machine.ts';
import { PERSON } from './portcullis.ts';
import { RESOURCE, SCOPE, type Subject } from './subject.ts';

/** The router of version 1 of the MCP SDK over maps in memory. It has neither machines nor introspection. */
export async function startSdkV1Router(machine: Machine): Promise<Subject> {
  const issuer = `http://localhost:${await findFreePort()}`;
  const { privateJwk: signingJwk } = await makeKey('unused');
  const about = { origin: issuer, resource: RESOURCE, scope: SCOPE, machine, signingJwk };
  const program = await startProgram<'ready'>('sdk-v1-router', about);
  const target: SignInTarget = {
    person: { kind: 'redirects', issuer, authorizationEndpoint: `${issuer}/authorize`, ...PERSON },
    registrationEndpoint: `${issuer}/register`,
    tokenEndpoint: `${issuer}/token`,
    resource: RESOURCE,
    scope: SCOPE,
  };
  return {
    name: 'MCP SDK v1, auth router, in memory',
    servers: [program.pid],
    target,
    refreshing: familiesOf(target),
    jwksUri: undefined,
    machines: undefined,
    introspection: undefined,
    introspectedToken: () => Promise.reject(new Error('there is no introspection')),
    passwordHash: undefined,
    stop: () => program.stop(),
  };
}
