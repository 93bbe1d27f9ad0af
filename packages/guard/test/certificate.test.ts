import { createHash, randomBytes } from 'node:crypto';
import { request as openRequest } from 'node:http';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readClientCertificate } from '../src/index.ts';
import { certificateFromProxy } from '../src/node.ts';
import { boundServer } from './examples/certificate.ts';
import { guarded, message } from './support/guarded.ts';
import { startIssuer, type TestIssuer } from './support/issuer.ts';
import { type Listening, listening } from './support/listening.ts';

// A guard looks at no more than the hash of a certificate, so that any bytes will do.
const certificate = Uint8Array.from(randomBytes(700));
const other = Uint8Array.from(randomBytes(700));

const thumbprint = (der: Uint8Array) => createHash('sha256').update(der).digest('base64url');
const base64 = (der: Uint8Array) => Buffer.from(der).toString('base64');
const byteSequence = (der: Uint8Array) => `:${base64(der)}:`;
const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${base64(der).replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;

let issuer: TestIssuer;
let token: string;
beforeAll(async () => {
  issuer = await startIssuer();
  token = await issuer.sign({ claims: { cnf: { 'x5t#S256': thumbprint(certificate) } } });
});
afterAll(() => issuer.close());

describe('SP-11: a token that is bound to a certificate', () => {
  test('passes on a connection with it, and the principal says how it is bound', async () => {
    const { guard } = guarded(issuer.url);
    expect(await guard.authenticate(message(token), { clientCertificate: certificate })).toMatchObject({
      ok: true,
      principal: { boundTo: { certificate: thumbprint(certificate) } },
    });
    const answer = await guard.protect(message(token), () => new Response('reached'), {
      clientCertificate: certificate,
    });
    expect(answer.status).toBe(200);
  });

  test.each([
    ['none', 'certificate_missing', undefined],
    ['another one', 'foreign_certificate', other],
    ['nothing in it', 'foreign_certificate', new Uint8Array()],
  ])('is refused on a connection with %s', async (_what, reason, clientCertificate) => {
    const { guard, refusals } = guarded(issuer.url);
    const answer = await guard.authenticate(message(token), { clientCertificate });
    expect(refusals).toEqual([{ reason }]);
    expect(!answer.ok && answer.response.status).toBe(401);
    expect(!answer.ok && answer.response.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  test('is refused with the certificate in a header: the guard itself reads none', async () => {
    const { guard, refusals } = guarded(issuer.url);
    await guard.authenticate(message(token, { 'client-cert': byteSequence(certificate) }));
    expect(refusals).toEqual([{ reason: 'certificate_missing' }]);
  });

  test('a token that is bound to a key as well needs both', async () => {
    const both = await issuer.sign({ claims: { cnf: { 'x5t#S256': thumbprint(certificate), jkt: 'x'.repeat(43) } } });
    const { guard, refusals } = guarded(issuer.url);
    await guard.authenticate(message(both), { clientCertificate: certificate });
    await guard.authenticate(message(undefined, { authorization: `DPoP ${both}`, dpop: 'x' }));
    expect(refusals.map(({ reason }) => reason)).toEqual(['bound_token', 'certificate_missing']);
  });
});

test('SP-11: a resource that demands certificates refuses bearer tokens, also on a connection with one', async () => {
  const { guard, refusals } = guarded(issuer.url, { proofOfPossession: 'certificate' });
  const bearer = await issuer.sign();
  await guard.authenticate(message(bearer), { clientCertificate: certificate });
  expect(refusals).toEqual([{ reason: 'unbound_token' }]);
  expect((await guard.authenticate(message(token), { clientCertificate: certificate })).ok).toBe(true);
});

describe('readClientCertificate', () => {
  test('RFC 9440 section 2.2: base64 between colons', () => {
    expect(readClientCertificate(byteSequence(certificate))).toEqual(certificate);
  });

  test('PEM with percent escapes, as nginx and Envoy write it', () => {
    expect(readClientCertificate(encodeURIComponent(pem(certificate)))).toEqual(certificate);
  });

  test.each([
    ['nothing', ''],
    ['no colons', base64(certificate)],
    ['two in RFC 9440', `${byteSequence(certificate)}, ${byteSequence(other)}`],
    ['two in PEM', encodeURIComponent(pem(certificate) + pem(other))],
    ['two headers joined', `${encodeURIComponent(pem(other))}, ${encodeURIComponent(pem(certificate))}`],
    ['no base64', ':@@@@:'],
    ['a broken escape', `${encodeURIComponent(pem(certificate))}%`],
    ['another PEM', encodeURIComponent(pem(certificate).replaceAll('CERTIFICATE', 'PUBLIC KEY'))],
    ['nginx’s word for none', '(null)'],
    ['more than a certificate', `:${'A'.repeat(25_000)}:`],
  ])('takes nothing else: %s', (_what, value) => expect(readClientCertificate(value)).toBeUndefined());

  test.each([
    ['blanks', `-----BEGIN CERTIFICATE-----${' '.repeat(20_000)}x!`],
    ['blanks at the end', `${pem(certificate)}${' '.repeat(20_000)}x`],
    ['blanks between letters', `-----BEGIN CERTIFICATE-----${' A'.repeat(10_000)}`],
    ['ends without a beginning', `-----BEGIN CERTIFICATE----- ${'-----END CERTIFICATE----- '.repeat(800)}x`],
  ])('very many %s hold nobody up', (_what, value) => {
    // Ends it: no other deadline could, since nothing else runs meanwhile.
    const read = runInNewContext('readClientCertificate(value)', { readClientCertificate, value }, { timeout: 5000 });
    expect(read).toBeUndefined();
  });
});

describe('behind a TLS proxy', () => {
  let server: Listening;
  let bound: string;
  beforeAll(async () => {
    server = await listening((resource) => boundServer(issuer.url, resource));
    bound = await issuer.sign({
      claims: { aud: `${server.origin}/mcp`, cnf: { 'x5t#S256': thumbprint(certificate) } },
      at: new Date(Math.floor(Date.now() / 1000) * 1000),
    });
  });
  afterAll(() => server.close());

  function send(headers: Record<string, string | string[]>, localAddress = '127.0.0.1'): Promise<number> {
    return new Promise((resolve, reject) => {
      openRequest(`${server.origin}/mcp`, { headers: { authorization: `Bearer ${bound}`, ...headers }, localAddress })
        .on('response', (answer) => resolve(answer.resume().statusCode ?? 0))
        .on('error', reject)
        .end();
    });
  }

  test('SP-11: the right certificate passes', async () => {
    expect(await send({ 'client-cert': byteSequence(certificate) })).toBe(200);
    expect(await send({ 'client-cert': encodeURIComponent(pem(certificate)) })).toBe(200);
  });

  test('another one and none are refused', async () => {
    expect(await send({ 'client-cert': byteSequence(other) })).toBe(401);
    expect(await send({})).toBe(401);
  });

  test('a client that sets the header itself, past the proxy, is refused', async () => {
    expect(await send({ 'client-cert': byteSequence(certificate) }, '127.0.0.2')).toBe(401);
  });

  test('a client whose own header the proxy let through beside its own is refused', async () => {
    for (const headers of [
      [byteSequence(certificate), byteSequence(other)],
      [byteSequence(other), byteSequence(certificate)],
      [byteSequence(certificate), byteSequence(certificate)],
    ])
      expect(await send({ 'client-cert': headers })).toBe(401);
    expect(await send({ 'client-cert': `${byteSequence(certificate)}, ${byteSequence(other)}` })).toBe(401);
  });

  test('other headers that proxies use mean nothing', async () => {
    for (const name of ['x-forwarded-client-cert', 'ssl-client-cert', 'client_cert', 'x-client-cert'])
      expect(await send({ [name]: byteSequence(certificate) })).toBe(401);
  });

  test.each([
    [{ header: 'client-cert', proxies: [] }, /addresses of the proxy are missing/],
    [{ header: 'client cert', proxies: ['10.0.0.1'] }, /no valid name/],
    [{ header: 'X-Forwarded-Client-Cert', proxies: ['10.0.0.1'] }, /another meaning/],
    [{ header: 'Authorization', proxies: ['10.0.0.1'] }, /another meaning/],
    [{ header: 'client-cert', proxies: ['proxy.internal'] }, /must be like 10/],
    [{ header: 'client-cert', proxies: ['0.0.0.0/0'] }, /must be like 10/],
    [{ header: 'client-cert', proxies: ['10.0.0.0/33'] }, /must be like 10/],
  ])('settings that cannot be safe are refused: %j', (settings, problem) =>
    expect(() => certificateFromProxy(settings)).toThrow(problem),
  );

  test.each([
    ['::ffff:127.0.0.1', true],
    ['::ffff:10.9.8.7', true],
    ['fd00::1%eth0', true],
    ['fe80::1', false],
    ['127.0.0.2', false],
    ['nonsense', false],
    [undefined, false],
  ])('a connection from %s counts: %s', (remoteAddress, counts) => {
    const source = certificateFromProxy({ header: 'client-cert', proxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] });
    const headersDistinct = { 'client-cert': [byteSequence(certificate)] };
    const found = source({ socket: { remoteAddress }, headersDistinct } as unknown as Parameters<typeof source>[0]);
    expect(found !== undefined).toBe(counts);
  });
});
