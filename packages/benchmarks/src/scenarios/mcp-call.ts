import { createHash, randomUUID } from 'node:crypto';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from '@modelcontextprotocol/server';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { exchange } from './http-exchange.ts';
import type { Scenario } from './scenario.ts';

/** Which tokens calls carry. */
export type Credentials = 'none' | 'one token' | '1,000 tokens in turn' | 'every token new' | 'one token with DPoP';

/** The revisions of the protocol that calls are made in. */
export type Revision = '2025-11-25' | '2026-07-28';

/** An MCP server, and how it is called. */
export type McpCalls = {
  /** Where it listens. */
  port: number;
  /** Its URL as clients see it. */
  resource: string;
  /** One without arguments; undefined for `tools/list`. */
  tool: string | undefined;
  revision: Revision;
  /** A token that is there already, or who signs them and how many there are. */
  tokens: { given: string } | { issuer: string; privateJwk: JWK; credentials: Credentials };
};

type Headers = Record<string, string>;

/** Calls of one tool, or lists of all. */
export async function mcpCalls(calls: McpCalls): Promise<Scenario> {
  const url = new URL(calls.resource);
  const { body, headers } = messageOf(calls);
  const authorize = await authorizations(calls);
  let prepared: (nth: number) => Headers = () => ({});
  const fixed = { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const at = new URL(`http://127.0.0.1:${calls.port}${url.pathname}`);
  return {
    async prepare(steps) {
      prepared = await authorize(steps);
    },
    async step(nth) {
      const sent = { ...fixed, host: url.host, ...prepared(nth) };
      const { status, text } = await exchange({ url: at, headers: sent, body });
      if (status !== 200 || !text.includes('"result"')) throw new Error(`status ${status}: ${text.slice(0, 500)}`);
    },
  };
}

/** A message in the words of its revision: since 2026-07-28 each one says who sends it, and headers repeat it. */
function messageOf({ tool, revision }: McpCalls): { body: string; headers: Headers } {
  const method = tool === undefined ? 'tools/list' : 'tools/call';
  const named = tool === undefined ? {} : { name: tool, arguments: {} };
  const message = { jsonrpc: '2.0', id: 1, method };
  if (revision === '2025-11-25') {
    return { body: JSON.stringify({ ...message, params: named }), headers: { 'mcp-protocol-version': revision } };
  }
  const meta = {
    [PROTOCOL_VERSION_META_KEY]: revision,
    [CLIENT_INFO_META_KEY]: { name: 'benchmark', version: '1.0.0' },
    [CLIENT_CAPABILITIES_META_KEY]: {},
  };
  const headers = { 'mcp-protocol-version': revision, 'mcp-method': method, ...(tool && { 'mcp-name': tool }) };
  return { body: JSON.stringify({ ...message, params: { ...named, _meta: meta } }), headers };
}

/** Makes what authorizes each of so many requests; whatever has to be signed is signed before they are sent. */
async function authorizations({
  tokens,
  resource,
}: McpCalls): Promise<(steps: number) => Promise<(nth: number) => Headers>> {
  const bearer = (token: string | undefined): Headers => ({ authorization: `Bearer ${token}` });
  if ('given' in tokens) return async () => () => bearer(tokens.given);
  const sign = await signerFor(tokens, resource);
  const many = (count: number) => Promise.all(Array.from({ length: count }, () => sign()));
  switch (tokens.credentials) {
    case 'none':
      return async () => () => ({});
    case 'one token': {
      const one = await sign();
      return async () => () => bearer(one);
    }
    case '1,000 tokens in turn': {
      const thousand = await many(1000);
      return async () => (nth) => bearer(thousand[nth % thousand.length]);
    }
    case 'every token new':
      return async (steps) => {
        const fresh = await many(steps);
        return (nth) => bearer(fresh[nth]);
      };
    case 'one token with DPoP':
      return provenBy(await generateKeyPair('ES256', { extractable: true }), { sign, resource });
  }
}

type Sign = (claims?: Record<string, unknown>) => Promise<string>;

async function signerFor({ issuer, privateJwk }: { issuer: string; privateJwk: JWK }, audience: string): Promise<Sign> {
  const key = await importJWK(privateJwk, 'ES256');
  return (claims = {}) =>
    new SignJWT({ client_id: 'client', scope: 'nothing', gid: 'grant', ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'benchmark' })
      .setIssuer(issuer)
      .setSubject('user')
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(nowSeconds())
      .setExpirationTime(nowSeconds() + 3600)
      .sign(key);
}

async function provenBy(
  { privateKey, publicKey }: Awaited<ReturnType<typeof generateKeyPair>>,
  { sign, resource }: { sign: Sign; resource: string },
) {
  const jwk = await exportJWK(publicKey);
  const token = await sign({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
  const ath = createHash('sha256').update(token).digest('base64url');
  const proof = () =>
    new SignJWT({ htm: 'POST', htu: resource, ath, jti: randomUUID(), iat: nowSeconds() })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(privateKey);
  return async (steps: number) => {
    const proofs = await Promise.all(Array.from({ length: steps }, proof));
    return (nth: number): Headers => ({ authorization: `DPoP ${token}`, dpop: proofs[nth] ?? '' });
  };
}

const nowSeconds = () => Math.floor(Date.now() / 1000);
