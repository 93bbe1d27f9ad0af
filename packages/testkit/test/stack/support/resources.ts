import { randomUUID } from 'node:crypto';
import type { JsonAnswer } from '../../../src/index.ts';
import { callAdmin } from './administration.ts';

/** A resource as the admin API takes it; nobody listens at its URL. */
export type ResourceRequest = Record<string, unknown> & { url: string };

/** Notes that `lead` may grant, at a URL of their own; `changes` are put over. */
export function notesAt(url = `https://${randomUUID()}.example/mcp`, changes: object = {}): ResourceRequest {
  return {
    url,
    name: 'Notes',
    scopes: {
      'notes:read': { description: 'Read your notes' },
      'notes:write': { description: 'Add notes in your name', sensitive: true },
    },
    defaultScopes: ['notes:read'],
    roles: { lead: ['notes:read', 'notes:write'] },
    ...changes,
  };
}

/** Administers the resources of a server. */
export function resourceAdministration(issuer: string, token: string) {
  const below = (url: string) => `/resources/${encodeURIComponent(url)}`;
  return {
    add: (body: unknown): Promise<JsonAnswer> => callAdmin(issuer, { token, method: 'POST', path: '/resources', body }),
    remove: (url: string): Promise<JsonAnswer> => callAdmin(issuer, { token, method: 'DELETE', path: below(url) }),
    credentials: (url: string, body: object = {}): Promise<JsonAnswer> =>
      callAdmin(issuer, { token, method: 'POST', path: `${below(url)}/credentials`, body }),
    list: (query = ''): Promise<JsonAnswer> => callAdmin(issuer, { token, path: `/resources${query}` }),
  };
}

/** What the answer to an added resource holds. */
export function addedResource({ status, json, text }: JsonAnswer): { url: string; clientId: string; secret: string } {
  if (status !== 201) throw new Error(`not added: ${text}`);
  const { resource, clientSecret } = Object(json);
  return { url: resource.url, clientId: resource.clientId, secret: clientSecret };
}
