import { decodeJwt } from 'jose';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import { exchange, type Sent } from './http-exchange.ts';
import { type SignedIn, type SignInTarget, signInTo } from './journey.ts';
import { createPerson, type Person } from './person.ts';

/** A way to end a grant. */
export type Revoking = {
  name: string;
  /** Makes ready what ends it. @returns what does so, and resolves when the answer is there */
  open(signedIn: SignedIn): Promise<() => Promise<void>>;
};

/** RFC 7009 with the refresh token, as the client does it; at another replica than the issuer's where a port says so. */
export function byClient(name: string, { person: { issuer } }: SignInTarget, port?: number): Revoking {
  const url = new URL(`${issuer}/revoke`);
  const headers = { host: url.host, 'content-type': 'application/x-www-form-urlencoded' };
  if (port !== undefined) url.port = String(port);
  return {
    name,
    async open({ clientId, refresh }) {
      const body = new URLSearchParams({ client_id: clientId, token: refresh }).toString();
      return () => expectDone({ url, headers, body });
    },
  };
}

/** With the form that the account page shows beside the grant. */
export function byUser(name: string, person: Person): Revoking {
  return { name, open: ({ access }) => person.openDisconnect(grantOf(access)) };
}

/** With the admin API, by somebody who signed in as the command line does. */
export async function byAdministrator(name: string, { person }: SignInTarget): Promise<Revoking> {
  const { issuer } = person;
  const target = { ...portcullisTarget({ issuer, mcpUrl: `${issuer}/admin` }), scope: 'admin:grants' };
  const { access: token } = await signInTo('portcullis-cli', target, createPerson(person));
  const headers = { authorization: `Bearer ${token}` };
  return {
    name,
    async open({ access }) {
      const url = new URL(`${issuer}/admin/api/v1/grants/${grantOf(access)}`);
      return () => expectDone({ url, method: 'DELETE', headers });
    },
  };
}

function grantOf(accessToken: string): string {
  return String(decodeJwt(accessToken).gid);
}

async function expectDone(sent: Sent): Promise<void> {
  const { status, text } = await exchange(sent);
  if (status !== 200) throw new Error(`status ${status} at ${sent.url.pathname}: ${text.slice(0, 300)}`);
}
