import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { asks, createHttpPerson } from '../src/http-person.ts';
import type { LoopbackServer } from '../src/loopback-server.ts';
import { listenOnLoopback } from '../src/loopback-server.ts';

type Seen = { method: string; url: string; cookie: string | undefined; origin: string | undefined; body: string };

const pages: Record<string, string> = {
  '/interaction/1': `<form method="post" action="/interaction/1">
    <input type="hidden" name="form_token" value="a&amp;b"><input name="email" value=""><input name="password" type="password">
    <button name="action" value="login">Sign in</button></form>`,
  '/interaction/2': `<form method="post">
    <input type="hidden" name="form_token" value="t2">
    <input type="checkbox" name="scope" value="desk:read" checked><input type="checkbox" name="scope" value="desk:write">
    <button name="action" value="deny">Deny</button><button name="action" value="approve">Allow</button></form>`,
};

const redirects: Record<string, string> = {
  'GET /authorize': '/interaction/1',
  'POST /interaction/1': '/interaction/2',
  'POST /interaction/2': 'http://localhost:1/callback?code=abc',
};

describe('a person without a browser', () => {
  let server: LoopbackServer;
  let seen: Seen[];

  beforeEach(async () => {
    seen = [];
    server = await listenOnLoopback(async (request, response) => {
      const { method = '', url = '', headers } = request;
      const body = (await request.toArray()).join('');
      seen.push({ method, url, cookie: headers.cookie, origin: headers.origin, body });
      const location = redirects[`${method} ${url}`];
      if (location)
        return void response.writeHead(303, { location, 'set-cookie': ['sid=1; Path=/', 'old=; Max-Age=0'] }).end();
      response.end(pages[url] ?? 'nothing here');
    });
  });

  afterEach(() => server.close());

  it('signs in, decides and gives the redirect to the client, without following it', async () => {
    const person = createHttpPerson();
    const url = await person.authorize(`${server.origin}/authorize`, { email: 'a@example.com', password: 'p w' });
    expect(url.href).toBe('http://localhost:1/callback?code=abc');
    expect(seen.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      'GET /authorize',
      'GET /interaction/1',
      'POST /interaction/1',
      'GET /interaction/2',
      'POST /interaction/2',
    ]);
    expect(seen[2]?.body).toBe('form_token=a%26b&email=a%40example.com&password=p+w&action=login');
    expect(seen[4]?.body).toBe('form_token=t2&scope=desk%3Aread&action=approve');
  });

  it('carries cookies on, and names its origin where it posts', async () => {
    await createHttpPerson().authorize(`${server.origin}/authorize`, { email: 'a', password: 'b' });
    expect(seen.map(({ cookie }) => cookie)).toEqual([undefined, 'sid=1', 'sid=1', 'sid=1', 'sid=1']);
    expect(seen.map(({ origin }) => origin)).toEqual([undefined, undefined, server.origin, undefined, server.origin]);
  });

  it('ticks the scopes it is told to, and denies', async () => {
    await createHttpPerson().authorize(`${server.origin}/authorize`, {
      email: 'a',
      password: 'b',
      decision: 'deny',
      scopes: ['desk:read', 'desk:write'],
    });
    expect(seen[4]?.body).toBe('form_token=t2&action=deny&scope=desk%3Aread&scope=desk%3Awrite');
  });

  it('says where it was stopped', async () => {
    const person = createHttpPerson();
    await expect(person.authorize(`${server.origin}/elsewhere`, { email: 'a', password: 'b' })).rejects.toThrow(
      'stopped at /elsewhere (200): nothing here',
    );
    const step = await person.open(`${server.origin}/authorize`);
    expect(asks(step, 'login')).toBe(true);
    expect(asks(step, 'approve')).toBe(false);
  });
});
