import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, findFreePort, pollUntil, sendRaw } from '../../src/index.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

const PROGRAM = new URL('../../../../apps/admin-cli/bin/portcullis.mjs', import.meta.url);

let database: TestDatabase;
let server: InProcess;
let home: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'portcullis-home-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const credentialsFile = () => join(home, 'portcullis', 'credentials.json');

/** Starts the program as a person would, without a display. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const shared = { PATH, NODE_COMPILE_CACHE, PORTCULLIS_ISSUER: server.issuer };
  const child = spawn(process.execPath, [PROGRAM.pathname, ...args], {
    env: { ...shared, HOME: home, XDG_CONFIG_HOME: home, ...env },
  });
  children.push(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out, err })),
  );
  return { child, ended, err: () => err };
}

const run = (args: readonly string[], env?: Record<string, string>) => start(args, env).ended;

/** Signs in through a "browser" that leaves its address in a file. */
async function login(args: readonly string[] = []) {
  const [browser, opened] = [join(home, 'browser'), join(home, 'opened')];
  writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > "${opened}.part" && mv "${opened}.part" "${opened}"\n`);
  chmodSync(browser, 0o755);
  const cli = start(['login', ...args], { BROWSER: browser });
  const url = await pollUntil(() => existsSync(opened) && readFileSync(opened, 'utf8'), { what: 'an opened browser' });
  return { cli, url: new URL(url) };
}

/** The address that `--no-browser` shows. */
async function shownUrl(cli: ReturnType<typeof start>): Promise<string> {
  return pollUntil(() => /\n {2}(http\S+)\n/.exec(cli.err())?.[1], { what: 'an address' });
}

describe('portcullis login', () => {
  test('signs in through the browser of the person, keeps the tokens for the owner alone, and signs out', async () => {
    const { cli, url } = await login();
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: 'portcullis-cli',
      code_challenge_method: 'S256',
      resource: `${server.issuer}/admin`,
      redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
    });
    // A stranger on this computer calls back first; that neither ends nor satisfies the wait.
    const forged = new URL(`${url.searchParams.get('redirect_uri')}?code=forged&state=guessed`);
    expect((await fetch(forged)).status).toBe(404);
    expect((await sendRaw(`${forged.origin}//`)).status).toBe(404);
    const callback = await createHttpPerson().authorize(url, OWNER);
    expect(await (await fetch(callback)).text()).toContain('You can close this window');
    expect(await cli.ended).toMatchObject({ code: 0, out: expect.stringContaining(`as ${OWNER.email}`) });
    expect(statSync(credentialsFile()).mode & 0o777).toBe(0o600);

    expect(await run(['status'])).toMatchObject({ code: 0, out: expect.stringContaining(OWNER.email) });
    const { signIns } = JSON.parse(readFileSync(credentialsFile(), 'utf8'));
    const { accessToken } = signIns[server.issuer];
    expect(await run(['logout'])).toMatchObject({ code: 0, out: expect.stringContaining('Signed out') });
    expect(readFileSync(credentialsFile(), 'utf8')).not.toContain(accessToken);
    const after = await fetch(`${server.issuer}/admin/api/v1/status`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    expect(after.status).toBe(401);
    expect(await run(['status'])).toMatchObject({ code: 1, err: expect.stringContaining('portcullis login') });
  });

  test('asks for the scopes it is told, and for no more', async () => {
    const { cli, url } = await login(['--scope', 'admin:audit']);
    await fetch(await createHttpPerson().authorize(url, OWNER));
    expect(await cli.ended).toMatchObject({ code: 0 });
    expect(await run(['users', 'list'])).toMatchObject({ code: 1, err: expect.stringContaining('admin:users') });
    expect(await run(['audit', 'tail'])).toMatchObject({ code: 0 });
  });

  test('ends with 1 when the person denies', async () => {
    const { cli, url } = await login();
    await fetch(await createHttpPerson().authorize(url, { ...OWNER, decision: 'deny' }));
    expect(await cli.ended).toMatchObject({ code: 1, err: expect.stringContaining('access was denied') });
    expect(existsSync(credentialsFile())).toBe(false);
  });

  test('works over a terminal without a display: --no-browser takes the address that the browser ended at', async () => {
    const cli = start(['login', '--no-browser']);
    const callback = await createHttpPerson().authorize(await shownUrl(cli), OWNER);
    await expect(fetch(callback)).rejects.toThrow();
    cli.child.stdin.write(`${callback.href}\n`);
    expect(await cli.ended).toMatchObject({ code: 0, out: expect.stringContaining('Signed in') });
    expect(await run(['users', 'list', '--json'])).toMatchObject({ code: 0 });
  });

  test.each([
    ['CL-10: the state of another sign-in', (url: URL) => url.searchParams.set('state', 'another')],
    ['CL-11: the answer of another issuer', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
    ['CL-11: an answer without an issuer', (url: URL) => url.searchParams.delete('iss')],
    ['a code that is not this one', (url: URL) => url.searchParams.set('code', 'made-up')],
  ])('--no-browser refuses %s', async (_what, spoil) => {
    const cli = start(['login', '--no-browser']);
    const callback = await createHttpPerson().authorize(await shownUrl(cli), OWNER);
    spoil(callback);
    cli.child.stdin.end(`${callback.href}\n`);
    const { code, out } = await cli.ended;
    expect(code).not.toBe(0);
    expect(out).toBe('');
    expect(existsSync(credentialsFile())).toBe(false);
  });

  test('used wrongly ends with 2, a server that is away with 3', async () => {
    expect(await run(['login', '--whatever'])).toMatchObject({ code: 2 });
    expect(await run(['login', '--issuer', 'not a url'])).toMatchObject({ code: 2 });
    const cli = start(['login', '--no-browser']);
    await shownUrl(cli);
    cli.child.stdin.end('what?\n');
    expect(await cli.ended).toMatchObject({ code: 2 });
    const away = { PORTCULLIS_ISSUER: `http://localhost:${await findFreePort()}` };
    expect(await run(['login', '--no-browser'], away)).toMatchObject({ code: 3 });
  });

  test('logout: used wrongly ends with 2, a server that is away with 3, and the tokens are gone all the same', async () => {
    expect(await run(['logout', 'now'])).toMatchObject({ code: 2 });
    expect(await run(['logout'])).toMatchObject({ code: 0, out: expect.stringContaining('not signed in') });
    const { cli, url } = await login();
    await fetch(await createHttpPerson().authorize(url, OWNER));
    await cli.ended;
    const away = `http://localhost:${await findFreePort()}`;
    const kept = readFileSync(credentialsFile(), 'utf8').replaceAll(server.issuer, away);
    writeFileSync(credentialsFile(), kept);
    expect(await run(['logout', '--issuer', away])).toMatchObject({ code: 3 });
    expect(JSON.parse(readFileSync(credentialsFile(), 'utf8')).signIns).toEqual({});
  });

  test('an access token that has expired is refreshed, and a sign-in that is over is said to be', async () => {
    const { cli, url } = await login();
    await fetch(await createHttpPerson().authorize(url, OWNER));
    await cli.ended;
    const change = (spoil: (signIn: Record<string, unknown>) => void) => {
      const content = JSON.parse(readFileSync(credentialsFile(), 'utf8'));
      spoil(content.signIns[server.issuer]);
      writeFileSync(credentialsFile(), JSON.stringify(content));
    };
    change((signIn) => Object.assign(signIn, { expiresAt: 0, accessToken: 'old' }));
    expect(await run(['status'])).toMatchObject({ code: 0 });
    expect(readFileSync(credentialsFile(), 'utf8')).not.toContain('"old"');
    change((signIn) => Object.assign(signIn, { expiresAt: 0, refreshToken: 'made-up' }));
    expect(await run(['status'])).toMatchObject({ code: 1, err: expect.stringContaining('is over') });
  });
});

describe('where what it writes goes', () => {
  const inShell = (command: string) => {
    const child = spawn('sh', ['-c', command], {
      env: { PATH: process.env.PATH, NODE: process.execPath, PROGRAM: PROGRAM.pathname },
    });
    children.push(child);
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    return new Promise<{ code: number | null; err: string }>((resolve) =>
      child.once('close', (code) => resolve({ code, err })),
    );
  };

  test('a reader that has enough, such as head, ends it quietly', async () => {
    // The reader is gone before anything is written: Node.js alone takes longer to start.
    const answer = await inShell('"$NODE" "$PROGRAM" --help | true');
    expect(answer).toEqual({ code: 0, err: '' });
  });

  test('a disk that is full fails it, in a sentence', async () => {
    expect(await inShell('"$NODE" "$PROGRAM" --help > /dev/full')).toEqual({
      code: 1,
      err: 'portcullis: The answer could not be written (ENOSPC).\n',
    });
  });

  test('a sign-in that cannot be kept is said to be so', async () => {
    writeFileSync(join(home, 'portcullis'), 'a file where the folder should be');
    const { cli, url } = await login();
    await fetch(await createHttpPerson().authorize(url, OWNER));
    const file = credentialsFile();
    expect(await cli.ended).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(new RegExp(`\nportcullis: Sign-ins cannot be kept in ${file} \\([A-Z]+\\)\\.\n$`)),
    });
  });
});
