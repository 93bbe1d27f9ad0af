import { createHash, randomUUID } from 'node:crypto';
import { Agent, request as openRequest } from 'node:http';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import type { Credentials, Load } from './load.ts';

type Headers = Record<string, string>;

const [, , issuer = '', resource = '', key = '{}'] = process.argv;
const signingKey = await importJWK(JSON.parse(key), 'ES256');
const proofKey = await generateKeyPair('ES256', { extractable: true });
const proofJwk = await exportJWK(proofKey.publicKey);
const jkt = await calculateJwkThumbprint(proofJwk);
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'nothing', arguments: {} },
});

const nowSeconds = () => Math.floor(Date.now() / 1000);

function token(claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ client_id: 'client', scope: 'nothing', gid: 'grant', ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'benchmark' })
    .setIssuer(issuer)
    .setSubject('user')
    .setAudience(resource)
    .setJti(randomUUID())
    .setIssuedAt(nowSeconds())
    .setExpirationTime(nowSeconds() + 3600)
    .sign(signingKey);
}

const many = (count: number) => Promise.all(Array.from({ length: count }, () => token()));
const oneToken = await token();
const thousand = await many(1000);
const boundToken = await token({ cnf: { jkt } });

/** The headers of each request of a run; whatever has to be signed for them is signed before the run. */
async function headersFor(credentials: Credentials, requests: number): Promise<(nth: number) => Headers> {
  const bearer = (of: string | undefined) => ({ authorization: `Bearer ${of}` });
  switch (credentials) {
    case 'none':
      return () => ({});
    case 'one token':
      return () => bearer(oneToken);
    case '1,000 tokens in turn':
      return (nth) => bearer(thousand[nth % thousand.length]);
    case 'every token new': {
      const tokens = await many(requests);
      return (nth) => bearer(tokens[nth]);
    }
    case 'one token with DPoP': {
      const proofs = await Promise.all(Array.from({ length: requests }, proof));
      return (nth) => ({ authorization: `DPoP ${boundToken}`, dpop: proofs[nth] ?? '' });
    }
  }
}

function proof(): Promise<string> {
  const ath = createHash('sha256').update(boundToken).digest('base64url');
  return new SignJWT({ htm: 'POST', htu: resource, ath, jti: randomUUID(), iat: nowSeconds() })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: proofJwk })
    .sign(proofKey.privateKey);
}

const fixedHeaders = {
  'content-type': 'application/json',
  'content-length': String(Buffer.byteLength(body)),
  accept: 'application/json, text/event-stream',
  host: new URL(resource).host,
};

/** Sends one request; anything but a success ends the whole measurement. */
function send(agent: Agent, port: number, headers: Headers): Promise<void> {
  const { pathname: path } = new URL(resource);
  return new Promise((resolve, reject) => {
    const options = { agent, host: '127.0.0.1', port, path, method: 'POST', headers: { ...fixedHeaders, ...headers } };
    const sent = openRequest(options, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function run({ port, credentials, requests, atOnce }: Load): Promise<number> {
  const headers = await headersFor(credentials, requests);
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  let next = 0;
  const startedAt = performance.now();
  const worker = async () => {
    while (next < requests) await send(agent, port, headers(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  agent.destroy();
  return requests / seconds;
}

process.on('message', (load: Load) => {
  run(load).then(
    (perSecond) => process.send?.({ perSecond }),
    (cause: unknown) => process.send?.({ fault: String(cause) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
