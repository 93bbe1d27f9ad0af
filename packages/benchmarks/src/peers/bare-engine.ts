import { findFreePort } from '@portcullis/testkit';
import { startProgram } from '../child-program.ts';
import { familiesOf, type SignInTarget } from '../scenarios/journey.ts';
import type { Machine } from './issuer-about.ts';
import { machineRequests, machineToken, makeKey } from './machine.ts';
import { PERSON } from './portcullis.ts';
import { RESOURCE, SCOPE, type Subject } from './subject.ts';

/** oidc-provider with its own store in memory, and nothing around it. */
export async function startBareEngine(machine: Machine): Promise<Subject> {
  const issuer = `http://localhost:${await findFreePort()}`;
  const { privateJwk: signingJwk } = await makeKey('signing');
  const about = { origin: issuer, resource: RESOURCE, scope: SCOPE, machine, signingJwk };
  const program = await startProgram<'ready'>('bare-engine', about);
  const tokenEndpoint = `${issuer}/token`;
  const target: SignInTarget = {
    person: { kind: 'redirects', issuer, authorizationEndpoint: `${issuer}/auth`, ...PERSON },
    registrationEndpoint: `${issuer}/reg`,
    tokenEndpoint,
    resource: RESOURCE,
    scope: SCOPE,
  };
  return {
    name: 'oidc-provider, bare, in memory',
    servers: [program.pid],
    target,
    refreshing: familiesOf(target),
    jwksUri: `${issuer}/jwks`,
    machines: machineRequests(machine, { tokenEndpoint, audience: issuer, resource: RESOURCE, scope: SCOPE }),
    introspection: { endpoint: `${issuer}/token/introspection`, client: machine.secret },
    // Its introspection knows opaque tokens alone, which are what it gives where no resource is named.
    introspectedToken: () => machineToken(tokenEndpoint, { client: machine.secret, form: {} }),
    passwordHash: undefined,
    stop: () => program.stop(),
  };
}
