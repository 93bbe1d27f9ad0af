import { createClientStore, createUserStore, openDatabase } from '@portcullis/persistence';
import { familiesOf, type SignInTarget, signInToNewClient } from '../scenarios/journey.ts';
import { createPerson } from '../scenarios/person.ts';
import type { Machine } from './issuer-about.ts';
import { machineRequests } from './machine.ts';
import { PERSON, type Portcullis } from './portcullis.ts';
import { SCOPE, type Subject } from './subject.ts';

/** A Portcullis as one of those that are compared, and a machine that it knows. */
export async function portcullisSubject(name: string, machine: Machine, portcullis: Portcullis): Promise<Subject> {
  const { issuer, mcpUrl: resource } = portcullis;
  await registerMachine(portcullis, machine);
  const passwordHash = await passwordHashIn(portcullis);
  const target = portcullisTarget(portcullis);
  const { tokenEndpoint } = target;
  return {
    name,
    servers: [portcullis.pids.authorizationServer],
    target,
    refreshing: familiesOf(target),
    jwksUri: `${issuer}/jwks`,
    machines: machineRequests(machine, { tokenEndpoint, audience: issuer, resource, scope: SCOPE }),
    introspection: { endpoint: `${issuer}/introspect`, client: portcullis.resourceServer },
    async introspectedToken() {
      return (await signInToNewClient(target, createPerson(target.person))).access;
    },
    passwordHash,
    stop: () => portcullis.stop(),
  };
}

/** How people sign in at a Portcullis. */
export function portcullisTarget({ issuer, mcpUrl }: Pick<Portcullis, 'issuer' | 'mcpUrl'>): SignInTarget {
  return {
    person: { kind: 'forms', issuer, authorizationEndpoint: `${issuer}/authorize`, ...PERSON },
    registrationEndpoint: `${issuer}/register`,
    tokenEndpoint: `${issuer}/token`,
    resource: mcpUrl,
    scope: SCOPE,
  };
}

/** Machines register themselves nowhere: an administrator does it. */
async function registerMachine(
  { databaseUrl, mcpUrl }: Portcullis,
  { secret, key, publicJwk }: Machine,
): Promise<void> {
  const database = await openDatabase({ url: databaseUrl });
  const store = createClientStore(database);
  const common = { redirect_uris: [], grant_types: ['client_credentials'], response_types: [] };
  const permissions = { firstParty: false, allowedResources: [mcpUrl], allowedScopes: [SCOPE] };
  const register = (metadata: Record<string, unknown>, clientSecret?: string) =>
    store.register({
      metadata: { ...common, client_name: String(metadata.client_id), ...metadata },
      permissions,
      registration: 'manual',
      now: new Date(),
      ...(clientSecret !== undefined && { secret: clientSecret }),
    });
  const { clientId, clientSecret } = secret;
  await register({ client_id: clientId, token_endpoint_auth_method: 'client_secret_basic' }, clientSecret);
  const jwks = { keys: [publicJwk] };
  await register({ client_id: key.clientId, token_endpoint_auth_method: 'private_key_jwt', jwks });
  await database.close();
}

async function passwordHashIn({ databaseUrl }: Portcullis): Promise<string | undefined> {
  const database = await openDatabase({ url: databaseUrl });
  const user = await createUserStore(database).findByEmail(PERSON.email);
  await database.close();
  return user?.passwordHash ?? undefined;
}
