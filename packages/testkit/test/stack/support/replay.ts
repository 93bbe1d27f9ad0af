import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js';
import type { CryptoKey } from 'jose';
import { SignJWT } from 'jose';
import { z } from 'zod';
import type { HttpPerson, RecordedShape, ServerMetadata, Step } from '../../../src/index.ts';
import {
  asks,
  authorizationUrl,
  callMcp,
  createPkce,
  discover,
  plainText,
  register,
  requestToken,
  sendJson,
} from '../../../src/index.ts';
import { adminTokens, callAdmin } from './administration.ts';
import { postMcp } from './mcp-message.ts';
import { OWNER } from './owner.ts';

/** A sign-in as one client does it. */
export type Replay = {
  shape: RecordedShape;
  /** All that the client is given. */
  mcpUrl: string;
  redirectUri: string;
  person: HttpPerson;
  /** With what it signs assertions. */
  key?: CryptoKey;
};

/** Where an authorization request led: to a page, or back to the client. */
export type Authorized = { step: Step; finish(): Promise<SignedIn> };

/** What the client holds in the end, and what it takes to go on. */
type SignedIn = {
  clientId: string;
  access: string;
  refresh: string;
  scope: string;
  /** Trades the refresh token for new ones, as this client does. */
  refreshed(): Promise<SignedIn>;
  /** Calls `whoami`, as this client calls tools; what it says about the caller. */
  whoami(): Promise<Record<string, unknown>>;
};

type Client = { clientId: string; secret: string | undefined };

/** A client that has found the server and has an id there. */
type Session = Replay & { server: ServerMetadata; resource: string; client: Client };

/** Goes from the bare MCP URL to the end of the consent, sending what the shape says and nothing else. */
export async function replay(replayed: Replay): Promise<Authorized> {
  const { shape } = replayed;
  const { server, resource, challengedScope } = await discovered(replayed);
  const scope = [scopesOf(shape, { server, challengedScope }), ...(shape.extraScopes ?? [])].join(' ');
  const session = { ...replayed, server, resource, client: await clientOf(replayed, { server, scope }) };
  // The registration is over: this is another run of the client, with another port.
  const redirectUri = filled(replayed.redirectUri, scope);
  const { verifier, challenge } = createPkce();
  const state = randomUUID();

  const url = authorizationUrl(server, {
    response_type: 'code',
    client_id: session.client.clientId,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    redirect_uri: redirectUri,
    state,
    scope,
    prompt: shape.prompt,
    resource: resourceIn(session, 'authorization'),
  });
  const step = await consented(replayed.person, url);

  return {
    step,
    finish() {
      if (step.kind === 'page') throw new Error(`stopped at a page: ${plainText(step.answer.text)}`);
      const params = step.url.searchParams;
      const back = { to: step.url.href.replace(/\?.*/s, ''), state: params.get('state'), iss: params.get('iss') };
      expect(back).toEqual({ to: redirectUri, state, iss: server.issuer });
      return tokensFor(session, {
        grant_type: 'authorization_code',
        code: params.get('code') ?? undefined,
        code_verifier: verifier,
        redirect_uri: redirectUri,
        resource: resourceIn(session, 'token'),
      });
    },
  };
}

async function tokensFor(session: Session, params: Record<string, string | undefined>): Promise<SignedIn> {
  const { shape, server, mcpUrl, client } = session;
  const request = { ...params, ...(await credentials(session)) };
  const { status, json = {} } = await requestToken(server, request, { headers: agentOf(shape) });
  expect({ status, json }).toMatchObject({ status: 200, json: { token_type: 'Bearer' } });
  const { access_token: access, refresh_token: refresh, scope } = tokensSchema.parse(json);
  return {
    clientId: client.clientId,
    access,
    refresh,
    scope,
    refreshed: () =>
      tokensFor(session, {
        grant_type: 'refresh_token',
        refresh_token: refresh,
        resource: resourceIn(session, 'refresh'),
        scope: shape.refreshRepeatsScope ? scope : undefined,
      }),
    whoami: () => callWhoami(mcpUrl, { shape, access }),
  };
}

function resourceIn({ shape, resource }: Session, request: RecordedShape['resourceIn'][number]): string | undefined {
  return shape.resourceIn.includes(request) ? resource : undefined;
}

const tokensSchema = z.object({ access_token: z.string(), refresh_token: z.string(), scope: z.string() });

const resourceMetadataSchema = z.looseObject({ resource: z.string(), authorization_servers: z.array(z.string()) });

/** The challenge, the resource metadata that it names, and the metadata of the server that those name (CL-1, CL-2). */
async function discovered({ shape, mcpUrl }: Replay) {
  const refusal = await callMcp(mcpUrl, { method: shape.probe, headers: agentOf(shape) });
  expect(refusal.status).toBe(401);
  const challenge = new Headers({ 'www-authenticate': refusal.headers['www-authenticate'] ?? '' });
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(new Response(null, { headers: challenge }));
  const { json } = await sendJson(String(resourceMetadataUrl), { headers: agentOf(shape) });
  const { resource, authorization_servers: issuers } = resourceMetadataSchema.parse(json);
  // VS Code, Gemini CLI and Claude Code go no further where these differ.
  expect(resource).toBe(mcpUrl);
  const server = await discover(String(issuers[0]));
  expect(server.issuer).toBe(issuers[0]);
  return { server, resource, challengedScope: scope ?? '' };
}

function scopesOf(
  { scope }: RecordedShape,
  { server, challengedScope }: { server: ServerMetadata; challengedScope: string },
): string {
  if (scope === 'challenged') return challengedScope;
  return z.array(z.string()).parse(server.scopes_supported).join(' ');
}

async function clientOf(
  { shape, person, mcpUrl }: Replay,
  { server, scope }: { server: ServerMetadata; scope: string },
): Promise<Client> {
  const { wayIn } = shape;
  switch (wayIn.kind) {
    case 'metadata document':
      // CL-21: without either of these they register instead.
      expect(server).toMatchObject({
        client_id_metadata_document_supported: true,
        token_endpoint_auth_methods_supported: expect.arrayContaining(['none']),
      });
      return { clientId: wayIn.clientId, secret: undefined };
    case 'registration': {
      const metadata: Record<string, unknown> = JSON.parse(filled(JSON.stringify(wayIn.metadata), scope));
      const { status, json } = await register(server, metadata, { headers: agentOf(shape) });
      expect({ status, json }).toMatchObject({ status: 201, json: { redirect_uris: metadata.redirect_uris } });
      expect(json?.client_secret !== undefined).toBe(shape.authentication === 'client_secret_post');
      return idAndSecret(json);
    }
    case 'given id': {
      const { access } = await adminTokens({ server, mcpUrl }, { scope: 'admin:clients', person });
      const body = { name: 'Connector', redirectUris: wayIn.redirectUris, authentication: shape.authentication };
      const { json } = await callAdmin(server.issuer, { token: access, method: 'POST', path: '/clients', body });
      const given = z.object({ client: z.object({ id: z.string() }), clientSecret: z.string() }).parse(json);
      return { clientId: given.client.id, secret: given.clientSecret };
    }
  }
}

function idAndSecret(json: unknown): Client {
  const { client_id, client_secret } = z
    .object({ client_id: z.string(), client_secret: z.string().optional() })
    .parse(json);
  return { clientId: client_id, secret: client_secret };
}

async function consented(person: HttpPerson, url: URL): Promise<Step> {
  let step = await person.open(url);
  if (asks(step, 'login')) step = await person.submit(step, { ...OWNER, action: 'login' });
  return asks(step, 'approve') ? person.submit(step, { action: 'approve' }) : step;
}

async function credentials({ shape, key, server, client }: Session): Promise<Record<string, string | undefined>> {
  const { clientId, secret } = client;
  if (shape.authentication !== 'private_key_jwt') return { client_id: clientId, client_secret: secret };
  if (!key) throw new Error('no key to sign with');
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(server.issuer)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(key);
  return {
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
}

async function callWhoami(
  mcpUrl: string,
  { shape, access }: { shape: RecordedShape; access: string },
): Promise<Record<string, unknown>> {
  const { protocolVersion } = shape;
  const isModern = protocolVersion >= '2026-07-28';
  const meta = {
    'io.modelcontextprotocol/protocolVersion': protocolVersion,
    'io.modelcontextprotocol/clientInfo': { name: 'replay', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { name: 'whoami', arguments: {}, ...(isModern && { _meta: meta }) };
  const { status, result, text } = await postMcp(mcpUrl, {
    token: access,
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    headers: {
      ...agentOf(shape),
      'mcp-protocol-version': protocolVersion,
      ...(isModern && { 'mcp-method': 'tools/call', 'mcp-name': 'whoami' }),
    },
  });
  if (status !== 200) throw new Error(`whoami was refused (${status}): ${text}`);
  return z.record(z.string(), z.unknown()).parse(result?.structuredContent);
}

function agentOf({ userAgent }: RecordedShape): Record<string, string> {
  return userAgent === undefined ? {} : { 'user-agent': userAgent };
}

/** Puts in the scope, and another port each time; nobody listens there. */
function filled(text: string, scope: string): string {
  return text
    .replaceAll('{scope}', scope)
    .replaceAll('{port}', () => String(49152 + Math.floor(Math.random() * 16383)));
}
