import { createTestDatabase } from '@portcullis/test-database';
import type { HttpPerson, Step, ThirdPartyServer } from '../../../src/index.ts';
import { createHttpPerson, startThirdParty } from '../../../src/index.ts';
import { type Target, targetOf } from './authorization.ts';
import { type InProcess, startInProcess } from './in-process.ts';
import { OWNER_ENV } from './owner.ts';
import { answerThere } from './upstream.ts';

/** The one tenant of the upstream that stands for Microsoft Entra. */
export const TENANT = '0f0e0d0c-0000-4000-8000-000000000001';

/** An authorization server at which people sign in through a third party, which is a process of its own. */
export type Federated = {
  third: ThirdPartyServer;
  server: InProcess;
  /** Another server on the same database, whose configuration gives no roles to groups. */
  plain: InProcess;
  target: Target;
  stop(): Promise<void>;
};

const NEW_USERS = { emailDomains: ['acme.example'], roles: ['agent'] };
const GROUP_ROLES = { lead: ['leads'], admin: ['admins'] };

/** One third party under several names, each with rules of its own. */
function configurationFor({ configuration: there, issuer }: ThirdPartyServer, roles: object) {
  const { clientId } = there;
  return {
    upstreams: {
      elsewhere: { ...there, signIn: { newUsers: NEW_USERS, roles } },
      staff: { ...there, name: 'Staff', signIn: { newUsers: { groups: ['staff'], roles: ['agent'] } } },
      known: { ...there, name: 'Known', signIn: {} },
      google: { preset: 'google', clientId, issuer, signIn: { newUsers: NEW_USERS } },
      entra: { preset: 'entra', clientId, issuer, tenant: TENANT, signIn: { newUsers: NEW_USERS } },
      access: { ...there, name: 'Access only' },
    },
  };
}

/** Starts the third party and the servers in front of it. */
export async function startFederated(): Promise<Federated> {
  const third = await startThirdParty('openid');
  const { url: databaseUrl, drop } = await createTestDatabase();
  const secrets = ['ELSEWHERE', 'STAFF', 'KNOWN', 'GOOGLE', 'ENTRA', 'ACCESS'].map((name) => [
    `PORTCULLIS_UPSTREAM_${name}_SECRET`,
    third.clientSecret,
  ]);
  const env = { ...OWNER_ENV, ...Object.fromEntries(secrets) };
  const server = await startInProcess({ databaseUrl, configuration: configurationFor(third, GROUP_ROLES), env });
  const plain = await startInProcess({ databaseUrl, configuration: configurationFor(third, {}), env });
  return {
    third,
    server,
    plain,
    target: await targetOf(server),
    async stop() {
      await plain.close();
      await server.close();
      await third.stop();
      await drop();
    },
  };
}

/** Chooses a provider on a page, and stops at its door. */
export function choose(person: HttpPerson, page: Step, provider: string): Promise<Step> {
  return person.submit(page, { provider }, ({ buttons }) =>
    buttons.some(([name, value]) => name === 'provider' && value === provider),
  );
}

/** Goes to a provider from a page, signs in there as `account`, and stops before the browser goes back. */
export async function goThere(
  person: HttpPerson,
  page: Step,
  { provider = 'elsewhere', account }: { provider?: string; account: string },
): Promise<URL> {
  return answerThere(person, await choose(person, page, provider), { account });
}

/** Signs in to the account page through a provider. */
export async function signInThrough(
  { issuer }: Pick<InProcess, 'issuer'>,
  o: { provider?: string; account: string; person?: HttpPerson },
): Promise<{ person: HttpPerson; page: Step }> {
  const { person = createHttpPerson() } = o;
  const back = await goThere(person, await person.open(`${issuer}/account/sign-in`), o);
  return { person, page: await person.open(back) };
}
