import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Stack, startStack } from '../../../src/index.ts';
import { type Target, targetOf } from '../support/authorization.ts';
import { guideCommands, runAsWritten } from '../support/guide-commands.ts';
import { OWNER_ENV } from '../support/owner.ts';
import { beginFamily } from '../support/refreshing.ts';
import {
  expectRestored,
  liveAfterBackup,
  liveBeforeBackup,
  untilDeskHears,
  whileWriting,
} from '../support/restoring.ts';

describe('backup and restore with SQLite, with the commands of the guide', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-restore-'));
  const [backup = '', restore = ''] = guideCommands('SQLite');
  let stack: Stack;
  let target: Target;
  let variables: Record<string, string>;

  beforeAll(async () => {
    stack = await startStack({ authorizationServer: OWNER_ENV });
    target = await targetOf(stack);
    const ELSEWHERE = join(folder, 'elsewhere');
    await mkdir(ELSEWHERE);
    const { PATH: _, ...env } = stack.env.authorizationServer;
    variables = { ...env, DATA: stack.dataDir, BACKUP: join(folder, 'backup'), ELSEWHERE };
  });
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
    rmSync(`${stack?.dataDir}.before`, { recursive: true, force: true });
  });

  test('SP-12: what was revoked after the backup lets nobody in, and the rest is there', async () => {
    const before = await liveBeforeBackup(target);
    const writer = await beginFamily(target, before.client, { person: before.person });
    const { done, writes } = await whileWriting(target, { client: before.client, family: writer }, async () =>
      runAsWritten(backup, variables),
    );
    expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining('authorization-server.sqlite') });
    expect(writes).toBeGreaterThan(0);
    expect(existsSync(join(folder, 'backup', 'master-key'))).toBe(false);
    expect(statSync(join(folder, 'backup')).mode & 0o077).toBe(0);
    // Wherever a copy goes from there: it holds password hashes.
    const openToOthers = readdirSync(join(folder, 'backup')).filter(
      (name) => (statSync(join(folder, 'backup', name)).mode & 0o077) !== 0,
    );
    expect(openToOthers).toEqual([]);
    await liveAfterBackup(target, before);

    await stack.stopServers();
    expect(await runAsWritten(restore, variables)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Ended what 1 users/m),
    });
    await stack.restart();
    // The first anchor is written within half a minute: it may not be there yet.
    const anchors = [join(folder, 'backup', 'audit-anchors.jsonl')].filter((file) => existsSync(file));
    await untilDeskHears(stack.mcpServer);
    await expectRestored(target, { before, databaseUrl: stack.databases.authorizationServer, anchors });
  });

  test('a folder that holds something is not written into, and no folder is made up', async () => {
    const again = await runAsWritten(backup, variables);
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('That folder is not empty') });
    const nowhere = await runAsWritten(backup, { ...variables, PORTCULLIS_DATA_DIR: join(folder, 'elsewhere') });
    expect(nowhere).toMatchObject({ status: 1, stderr: expect.stringContaining('holds no SQLite database') });
  });

  test('without --yes, or without the master key, nothing is ended', async () => {
    const end = (args: string, env: Record<string, string> = {}) =>
      runAsWritten(`npm run after-restore -- ${args}`, { ...variables, ...env });
    expect(await end('')).toMatchObject({ status: 1, stderr: expect.stringContaining('-- --yes') });
    const foreign = { PORTCULLIS_MASTER_KEY: Buffer.alloc(32, 9).toString('base64url') };
    expect(await end('--yes', foreign)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('portcullis: '),
    });
  });
});
