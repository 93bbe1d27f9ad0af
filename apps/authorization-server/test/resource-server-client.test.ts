import { describe, expect, test } from '@jest/globals';
import { resourceServerClient } from '../src/resource-server-client.ts';

const now = new Date('2026-11-20T10:00:00Z');
const notes = { url: 'https://notes.example/mcp', name: 'Notes' };

describe('the client that the server of a resource is', () => {
  test('has a secret of 256 random bits, another each time, and nothing that a token could be issued to', () => {
    const client = resourceServerClient(notes, { authentication: { method: 'client_secret_basic' }, now });
    expect(client).toEqual({
      resourceServer: notes.url,
      registration: 'manual',
      metadata: {
        client_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        client_name: 'Notes',
        token_endpoint_auth_method: 'client_secret_basic',
        redirect_uris: [],
        grant_types: [],
        response_types: [],
      },
      permissions: { firstParty: true, allowedScopes: [], allowedResources: [] },
      secret: expect.stringMatching(/^[\w-]{43}$/),
      now,
    });
    const other = resourceServerClient(notes, { authentication: { method: 'client_secret_post' }, now });
    expect([other.metadata.token_endpoint_auth_method, other.secret]).not.toContain(client.secret);
    expect(other.metadata.client_id).not.toBe(client.metadata.client_id);
  });

  test('has the public keys of its own instead, and then no secret', () => {
    const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] };
    const client = resourceServerClient(notes, { authentication: { method: 'private_key_jwt', jwks }, now });
    expect(client.metadata).toMatchObject({ token_endpoint_auth_method: 'private_key_jwt', jwks });
    expect(client).not.toHaveProperty('secret');
  });
});
