import { randomUUID } from 'node:crypto';
import { register, sendJson } from '../../../src/index.ts';
import { callAdmin } from './administration.ts';
import type { Target } from './authorization.ts';

/** A client that waits for a review and can change itself; `change` tells the status it was answered with. */
type WaitingClient = { id: string; change(redirectUri: string): Promise<number> };

/** Registers clients where the policy is `review`, and decides about them as an administrator. */
export type ReviewDesk = {
  /** With the one redirect URI `https://good.example/callback`. */
  waitingClient(): Promise<WaitingClient>;
  look(id: string): Promise<{ version: string; state: string; redirectUris: string[] }>;
  /** Returns the status of the answer. */
  decide(id: string, decision: 'approve' | 'reject', version: string): Promise<number>;
};

/** `token` is an administrator's access token. */
export function createReviewDesk({ target, token }: { target: Target; token: string }): ReviewDesk {
  return {
    async waitingClient() {
      const metadata = { client_name: randomUUID(), token_endpoint_auth_method: 'client_secret_basic' };
      const redirectUris = ['https://good.example/callback'];
      const answer = await register(target.server, { ...metadata, redirect_uris: redirectUris });
      const { client_id: id, registration_client_uri: home, registration_access_token: own } = answer.json ?? {};
      return {
        id: String(id),
        change: async (redirectUri) => {
          const changed = await sendJson(String(home), {
            method: 'PUT',
            headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
            body: JSON.stringify({ ...metadata, client_id: id, redirect_uris: [redirectUri] }),
          });
          return changed.status;
        },
      };
    },
    async look(id) {
      const { json } = await callAdmin(target.server.issuer, { token, path: `/clients/${encodeURIComponent(id)}` });
      return Object(json?.client);
    },
    async decide(id, decision, version) {
      const path = `/clients/${encodeURIComponent(id)}/${decision}`;
      return (await callAdmin(target.server.issuer, { token, method: 'POST', path, body: { version } })).status;
    },
  };
}
