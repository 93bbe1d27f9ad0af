import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClientStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { DocumentOrigin, HttpPerson, OriginAnswer, Step } from '../../src/index.ts';
import { answerStatus, asks, createHttpPerson, pollUntil, sendRaw, startDocumentOrigin } from '../../src/index.ts';
import type { Target } from './support/authorization.ts';
import { authorizationRequest, registerClient, targetOf } from './support/authorization.ts';
import { ageDocuments, networkTo, publish, storedDocument } from './support/document-client.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);
const LOOPBACK = 'http://127.0.0.1:50123/callback';

let database: TestDatabase;
let origin: DocumentOrigin;
let server: InProcess;
let target: Target;
let person: HttpPerson;
let nth = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  origin = await startDocumentOrigin(['app.example', 'cdn.example', 'stranger.example', 'private.example']);
  server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    configuration: { clientMetadataDocuments: { trust: { allow: ['app.example'] } } },
    network: {
      ...networkTo(origin),
      lookup: async (host) => [{ address: host === 'private.example' ? '10.0.0.1' : '127.0.0.1', family: 4 }],
      mayConnectTo: (address) => address === '127.0.0.1',
    },
  });
  target = await targetOf(server);
});

afterAll(async () => {
  await server?.close();
  await origin?.close();
  await database?.drop();
});

beforeEach(() => {
  // From an address of its own, so that no test uses up another one's fetches.
  person = createHttpPerson({ fromAddress: `127.0.0.${10 + nth++}` });
});

const newUrl = (host: string, ending: string) => `https://${host}/${randomUUID()}.${ending}`;
const fetchesOf = (url: string) => origin.requests.filter((requested) => requested === url).length;
const pathOf = (url: string) => `/logos/${createHash('sha256').update(url).digest('base64url')}`;
const served = (url: string) => sendRaw(`${server.issuer}${pathOf(url)}`);

function answerPicture(body: Buffer | string, contentType = 'image/png'): OriginAnswer {
  return (_request, response) => void response.writeHead(200, { 'content-type': contentType }).end(body);
}

/** Opens an authorization up to the consent page. */
async function openConsent(clientId: string, redirectUri = LOOPBACK): Promise<Step> {
  let step = await person.open(authorizationRequest(target, { id: clientId, secret: undefined, redirectUri }).url);
  if (asks(step, 'login')) step = await person.submit(step, { ...OWNER, action: 'login' });
  if (!asks(step, 'approve')) throw new Error(`no consent page: ${step.answer.status}`);
  return step;
}

/** What the page shows of a logo: the path of its picture. */
function logoOn({ answer }: Step): string | undefined {
  return /<img class="logo" src="([^"]+)" alt="" width="48" height="48">/.exec(answer.text)?.[1];
}

/** The consent page of a client whose host the operator named, with this logo. */
async function consentWith(logoUri: string, host = 'app.example'): Promise<Step> {
  const clientId = newUrl(host, 'json');
  publish(origin, clientId, { logo_uri: logoUri });
  return openConsent(clientId);
}

/** The consent page of an app that registered itself, and that the operator then called his own. */
async function firstPartyConsent(logoUri: string): Promise<Step> {
  const { id, redirectUri } = await registerClient(target, { client_name: randomUUID(), logo_uri: logoUri });
  await createClientStore(server.database).update({ id, permissions: { firstParty: true }, now: new Date() });
  return openConsent(id, redirectUri);
}

describe('the logo of a client', () => {
  test('is fetched once, served from our own origin, and can do nothing there', async () => {
    const logo = newUrl('app.example', 'png');
    origin.set(logo, answerPicture(PNG));
    expect(logoOn(await consentWith(logo))).toBe(pathOf(logo));
    expect(logoOn(await consentWith(logo))).toBe(pathOf(logo));
    const answer = await served(logo);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(PNG.length),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(fetchesOf(logo)).toBe(1);
  });

  test.each([
    ['image/jpeg', 'ffd8ffe000104a46494600010100'],
    ['image/gif', '47494638396101000100800000'],
    ['image/webp', '524946461a000000574542505650384c'],
  ])('is served as %s because of its bytes, whatever its host calls it', async (type, bytes) => {
    const logo = newUrl('app.example', 'img');
    origin.set(logo, answerPicture(Buffer.from(bytes, 'hex'), 'text/html'));
    expect(logoOn(await consentWith(logo))).toBe(pathOf(logo));
    expect((await served(logo)).headers['content-type']).toBe(type);
  });

  test('of an app that the operator calls his own is shown from any host', async () => {
    const logo = newUrl('cdn.example', 'png');
    origin.set(logo, answerPicture(PNG));
    expect(logoOn(await firstPartyConsent(logo))).toBe(pathOf(logo));
  });

  test('that comes late is left out, and shown the next time', async () => {
    const logo = newUrl('app.example', 'png');
    let answer = () => {};
    origin.set(logo, (request, response) => {
      answer = () => answerPicture(PNG)(request, response);
    });
    const page = await consentWith(logo);
    expect(logoOn(page)).toBeUndefined();
    answer();
    await pollUntil(async () => ((await served(logo)).status === 200 ? true : undefined), { what: 'the logo' });
    expect(logoOn(await person.open(page.url))).toBe(pathOf(logo));
  });
});

describe('a logo is no help to whoever poses as somebody else', () => {
  test('an app that registered itself, a host that nobody named, and a logo of another host: none is fetched or shown', async () => {
    const [foreign, own] = [newUrl('cdn.example', 'png'), newUrl('stranger.example', 'png')];
    for (const logo of [foreign, own]) origin.set(logo, answerPicture(PNG));
    const client = await registerClient(target, { client_name: randomUUID(), logo_uri: foreign });
    expect(logoOn(await openConsent(client.id, client.redirectUri))).toBeUndefined();
    expect(logoOn(await consentWith(foreign))).toBeUndefined();
    expect(logoOn(await consentWith(own, 'stranger.example'))).toBeUndefined();
    expect([fetchesOf(foreign), fetchesOf(own)]).toEqual([0, 0]);
  });
});

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const LARGE = Buffer.concat([PNG, Buffer.alloc(2 * 1024 * 1024)]);

describe('what is no picture is not shown, and the page is the same without it', () => {
  test.each<[string, OriginAnswer]>([
    ['an SVG image', answerPicture(SVG, 'image/svg+xml')],
    ['an SVG image that calls itself PNG', answerPicture(SVG)],
    ['HTML that calls itself PNG', answerPicture('<!doctype html><script>alert(1)</script>')],
    ['2 MB', answerPicture(LARGE)],
    ['nothing', answerPicture('')],
    ['a redirect', answerStatus(302, { location: 'https://private.example/logo.png' })],
    ['404', answerStatus(404)],
    ['500', answerStatus(500)],
    ['a broken connection', (request) => void request.socket.destroy()],
  ])('%s', async (_what, answer) => {
    const logo = newUrl('app.example', 'png');
    origin.set(logo, answer);
    origin.set('https://private.example/logo.png', answerPicture(PNG));
    const page = await consentWith(logo);
    expect(page.answer.status).toBe(200);
    expect(page.answer.text).not.toContain('class="logo"');
    expect((await served(logo)).status).toBe(404);
    expect((await storedDocument(server.database, logo)).body).toBeUndefined();
    expect(fetchesOf('https://private.example/logo.png')).toBe(0);
  });

  test('AS-30: one at a private address, with nothing fetched from there', async () => {
    const logo = newUrl('private.example', 'png');
    origin.set(logo, answerPicture(PNG));
    const before = origin.connections();
    const page = await firstPartyConsent(logo);
    expect(page.answer.status).toBe(200);
    expect(logoOn(page)).toBeUndefined();
    expect(origin.connections()).toBe(before);
  });
});

describe('looking at a page is no way to make this server fetch', () => {
  const views = async (url: URL, count: number) => {
    const size = 20;
    for (let done = 0; done < count; done += size)
      await Promise.all(Array.from({ length: size }, () => person.open(url)));
  };

  test('1,000 views of a page cause one fetch, and of one whose logo fails at most 3 in a minute', async () => {
    const [good, bad] = [newUrl('app.example', 'png'), newUrl('app.example', 'png')];
    origin.set(good, answerPicture(PNG));
    origin.set(bad, answerStatus(500));
    const [goodPage, badPage] = [await consentWith(good), await consentWith(bad)];
    await views(goodPage.url, rounds(1000));
    const began = performance.now();
    for (const _part of [1, 2, 3, 4]) {
      await views(badPage.url, rounds(1000) / 4);
      await ageDocuments(server.database, 15);
    }
    expect(fetchesOf(good)).toBe(1);
    // One at once and one more each 30 seconds: those by which the rows were aged, and those that the machine took.
    const seconds = 60 + (performance.now() - began) / 1000;
    expect(fetchesOf(bad)).toBeGreaterThan(1);
    expect(fetchesOf(bad)).toBeLessThanOrEqual(1 + Math.floor(seconds / 30));
  }, 180_000);

  test('an address that a stranger makes up answers 404 and fetches nothing, nor does it show what else was fetched', async () => {
    const clientId = newUrl('app.example', 'json');
    publish(origin, clientId);
    await openConsent(clientId);
    const before = origin.connections();
    const guesses = [
      pathOf(newUrl('app.example', 'png')),
      pathOf(clientId),
      `/logos/${encodeURIComponent('https://app.example/logo.png')}`,
      '/logos/https://app.example/logo.png',
      '/logos/%00',
      `/logos/?url=https://app.example/logo.png`,
      `/logos/${'a'.repeat(43)}`,
    ];
    for (const guess of guesses) {
      const answer = await sendRaw(`${server.issuer}${guess}`);
      expect([guess, answer.status]).toEqual([guess, 404]);
      expect(answer.text).not.toContain('Ticket helper');
    }
    expect(origin.connections()).toBe(before);
  });

  test('a logo that nobody looks at is swept', async () => {
    const logo = newUrl('app.example', 'png');
    origin.set(logo, answerPicture(PNG));
    await consentWith(logo);
    server.pass(3 * 24 * 3600 + 60);
    await server.clean();
    expect((await served(logo)).status).toBe(404);
  });
});
