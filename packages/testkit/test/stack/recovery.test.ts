import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog, createUserStore, openDatabase } from '@portcullis/persistence';
import { asks, createHttpPerson, type Stack, startStack } from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import { type Target, targetOf } from './support/authorization.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

const PROGRAM = new URL('../../../../apps/authorization-server/dist/recover.js', import.meta.url);

let stack: Stack;
let target: Target;

beforeAll(async () => {
  stack = await startStack({ authorizationServerAlone: true, authorizationServer: OWNER_ENV });
  target = await targetOf(stack);
});

afterAll(() => stack?.stop());

/** Runs the recovery beside the servers, as an operator on the host does. */
function recover(args: readonly string[], env: Record<string, string> = {}) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM.pathname, ...args], {
    env: { PATH, NODE_COMPILE_CACHE, ...stack.env.authorizationServer, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr, link: /Set a password: (\S+)/.exec(stdout)?.[1] ?? '' };
}

describe('recovery on the host', () => {
  test('lets a disabled administrator back in with a one-time link, beside the running servers, and is recorded', async () => {
    const database = await openDatabase({ url: stack.databases.authorizationServer });
    try {
      const users = createUserStore(database);
      const owner = await users.findByEmail(OWNER.email);
      if (!owner) throw new Error('no owner');
      await users.update({ userId: owner.id, roles: ['lead'], now: new Date() });
      await users.setDisabled({ userId: owner.id, disabled: true, now: new Date() });

      const { status, link } = recover([OWNER.email]);
      expect(status).toBe(0);
      const person = createHttpPerson();
      const page = await person.open(link);
      expect(asks(page, 'approve')).toBe(false);
      expect((await person.submit(page, { password: OWNER.password })).answer.status).toBe(200);
      expect((await createHttpPerson().open(link)).answer.status).toBe(410);

      const { access } = await adminTokens(target);
      expect((await callAdmin(stack.issuer, { token: access, path: '/users' })).status).toBe(200);
      const [event] = await createAuditLog(database).list({ type: 'user.recovered' });
      expect(event).toMatchObject({ subject: owner.id, outcome: 'success', detail: { by: 'host', created: false } });
      expect(JSON.stringify(await createAuditLog(database).list())).not.toContain(
        new URL(link).searchParams.get('token'),
      );
    } finally {
      await database.close();
    }
  });

  test('creates an administrator who was not there', async () => {
    const { status, stdout, link } = recover(['New.Admin@example.com']);
    expect({ status, isNew: stdout.includes('a new administrator') }).toEqual({ status: 0, isNew: true });
    expect((await createHttpPerson().open(link)).answer.text).toContain('new.admin@example.com');
  });

  test('takes the master key: another one, or none, ends with 1 and changes nothing', () => {
    const foreign = recover([OWNER.email], { PORTCULLIS_MASTER_KEY: Buffer.alloc(32, 9).toString('base64url') });
    expect(foreign).toMatchObject({ status: 1, link: '', stderr: expect.stringMatching(/^portcullis: /) });
    const folder = join(stack.dataDir, 'elsewhere');
    const away = recover([OWNER.email], { PORTCULLIS_DATA_DIR: folder });
    expect(away).toMatchObject({ status: 1, link: '' });
    rmSync(folder, { recursive: true, force: true });
  });

  test('says how it is used', () => {
    expect(recover([])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('npm run recover -- ada@example.com'),
    });
    // Also where no server could be started.
    for (const option of ['--help', '-h']) {
      const { status, stdout, stderr } = recover([option], { PORTCULLIS_ISSUER: 'nonsense' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('Usage: npm run recover');
    }
  });
});
