import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/** As much of an authorization server as a guard asks for: metadata, keys, and a revocation feed that only beats. */
export type Issuer = { url: string; privateJwk: JWK; close(): void };

const HEARTBEAT_MS = 2000;
const KEY_ID = 'benchmark';

/** Starts one on a free loopback port. */
export async function startIssuer(): Promise<Issuer> {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const about = { kid: KEY_ID, alg: 'ES256' };
  const publicJwk = { ...(await exportJWK(pair.publicKey)), ...about, use: 'sig' };
  const server = createServer((request, response) => {
    if (request.url === '/revocations') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const beat = () => response.write('event: revocations\nid: 1\ndata: []\n\nevent: heartbeat\nid: 1\ndata: {}\n\n');
      beat();
      const beating = setInterval(beat, HEARTBEAT_MS);
      response.on('close', () => clearInterval(beating));
      return;
    }
    const url = `http://localhost:${(server.address() as AddressInfo).port}`;
    const metadata = { issuer: url, jwks_uri: `${url}/jwks`, revocation_events_endpoint: `${url}/revocations` };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(request.url === '/jwks' ? { keys: [publicJwk] } : metadata));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    privateJwk: { ...(await exportJWK(pair.privateKey)), ...about },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
