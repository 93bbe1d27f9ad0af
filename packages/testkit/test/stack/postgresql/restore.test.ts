import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type PostgresqlCluster, postgresqlPrograms, startPostgresql } from '@portcullis/test-database';
import { type Stack, startStack } from '../../../src/index.ts';
import { type ServerProcess, startServerProcess, untilReady } from '../../../src/server-process.ts';
import { type Target, targetOf } from '../support/authorization.ts';
import { guideCommands, runAsWritten } from '../support/guide-commands.ts';
import { OWNER_ENV } from '../support/owner.ts';
import { beginFamily } from '../support/refreshing.ts';
import { AUTHORIZATION_SERVER, MCP_SERVER } from '../support/replica.ts';
import {
  expectRestored,
  liveAfterBackup,
  liveBeforeBackup,
  untilDeskHears,
  whileWriting,
} from '../support/restoring.ts';

const DOCKER = fileURLToPath(new URL('../../../../../docker', import.meta.url));
const PASSWORD = 'of every role here';

/** A PostgreSQL of its own, with the two databases and the roles that docker-compose.yml has. */
type Installation = {
  cluster: PostgresqlCluster;
  env: Record<string, string>;
  url(role: string, database: string): string;
};

/** A database of a server as its superuser sees it. */
function databaseOf({ url }: PostgresqlCluster, database: string): string {
  return Object.assign(new URL(url), { pathname: `/${database}` }).href;
}

async function install(folder: string): Promise<Installation> {
  const cluster = await startPostgresql({ durable: false });
  const { hostname, port, username, password } = new URL(cluster.url);
  const secrets = join(folder, `secrets-${port}`);
  mkdirSync(secrets);
  for (const role of ['owner', 'server', 'desk', 'analytics'])
    writeFileSync(join(secrets, `${role}-password`), PASSWORD);
  const made = await runAsWritten(
    `bash ${DOCKER}/create-databases.sh`,
    {
      ...{ PGHOST: hostname, PGPORT: port, PGPASSWORD: decodeURIComponent(password), POSTGRES_USER: username },
      PORTCULLIS_SECRETS_FOLDER: secrets,
      PORTCULLIS_ANALYTICS_ROLE_SCRIPT: join(DOCKER, 'analytics-role.sql'),
    },
    [String(postgresqlPrograms())],
  );
  if (made.status !== 0) throw new Error(made.stderr);
  const url = (role: string, database: string) =>
    `postgresql://${role}:${encodeURIComponent(PASSWORD)}@${hostname}:${port}/${database}`;
  return {
    cluster,
    url,
    env: {
      DATABASE_URL: url('portcullis', 'portcullis'),
      PORTCULLIS_MIGRATE_DATABASE_URL: url('portcullis_owner', 'portcullis'),
      PORTCULLIS_MCP_DATABASE_URL: url('desk', 'desk'),
      PORTCULLIS_MCP_ANALYTICS_DATABASE_URL: url('desk_analytics', 'desk'),
    },
  };
}

describe('backup and restore with PostgreSQL, with the commands of the guide', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-restore-'));
  const [backup = '', restore = ''] = guideCommands('PostgreSQL');
  const [putAnchorsAside = ''] = guideCommands('The audit trail after a restore');
  const opened = new AsyncDisposableStack();
  let stack: Stack;
  let target: Target;
  let first: Installation;
  let second: Installation;

  beforeAll(async () => {
    [first, second] = await Promise.all([install(folder), install(folder)]);
    for (const { cluster } of [first, second]) opened.defer(() => cluster.stop());
    const env = { PORTCULLIS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64url') };
    stack = await startStack({ authorizationServer: { ...OWNER_ENV, ...env, ...first.env }, mcpServer: first.env });
    opened.defer(() => stack.stop());
    target = await targetOf(stack);
  }, 120_000);
  afterAll(async () => {
    await opened.disposeAsync();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The variables that the guide names. */
  const variables = (installation: Installation) => ({
    ...stack.env.authorizationServer,
    ...installation.env,
    BACKUP: folder,
    PORTCULLIS_DATABASE: databaseOf(installation.cluster, 'portcullis'),
    DESK_DATABASE: databaseOf(installation.cluster, 'desk'),
  });

  /** Starts both servers, where they were before, on another installation. Returns the desk. */
  async function startOn({ env }: Installation): Promise<ServerProcess> {
    const { authorizationServer, mcpServer } = stack.env;
    const start = async (program: URL, given: Record<string, string>, port: number) => {
      const server: ServerProcess = startServerProcess(program, { ...given, ...env });
      opened.defer(async () => void (await server.stop()));
      await untilReady(server, port);
      return server;
    };
    const [, desk] = await Promise.all([
      start(AUTHORIZATION_SERVER, authorizationServer, Number(authorizationServer.PORTCULLIS_PORT)),
      start(MCP_SERVER, mcpServer, stack.mcpPort),
    ]);
    return desk;
  }

  test('SP-12: what was revoked after the backup lets nobody in, and the rest is there', async () => {
    const programs = [String(postgresqlPrograms())];
    const before = await liveBeforeBackup(target);
    const writer = await beginFamily(target, before.client, { person: before.person });
    const { done, writes } = await whileWriting(target, { client: before.client, family: writer }, () =>
      runAsWritten(backup, variables(first), programs),
    );
    expect({ status: done.status, stderr: done.stderr }).toMatchObject({ status: 0 });
    expect(writes).toBeGreaterThan(0);
    await liveAfterBackup(target, before);

    await stack.stopServers();
    const restored = await runAsWritten(restore, variables(second), programs);
    expect(restored).toMatchObject({
      status: 0,
      stderr: expect.any(String),
      stdout: expect.stringMatching(/^Ended what 1 users/m),
    });
    const anchors = join(stack.dataDir, 'audit-anchors.jsonl');
    // The first anchor is written within half a minute: it may not be there yet.
    if (existsSync(anchors)) {
      const env = { ...variables(second), DATA: stack.dataDir };
      expect(await runAsWritten(putAnchorsAside, env)).toMatchObject({ status: 0 });
    }
    await untilDeskHears(await startOn(second));
    await expectRestored(target, { before, databaseUrl: second.url('portcullis', 'portcullis') });
  }, 120_000);
});
