import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog, createClientStore, openDatabase } from '@portcullis/persistence';
import { timeOrderedIds } from '@portcullis/platform';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, type JsonAnswer, pollUntil, type Stack, sendJson, startStack } from '../../src/index.ts';
import { obtainCode, redeem, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { startServersWithDesk } from './support/desk-beside.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { basicAuthorization, registerResourceServer, type ServerCredentials } from './support/listening-guard.ts';
import { callTool } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';

const NOTES = 'https://notes.example/mcp';

const minutesAhead = (minutes: number) => new Date(Date.now() + minutes * 60_000);
const nextId = timeOrderedIds();
const aRecord = (change: Record<string, unknown> = {}, at = new Date()) => ({
  ...{ id: nextId(at), time: at.toISOString(), type: 'tool.called', outcome: 'success' },
  ...{ subject: 'ada', client: 'app', tool: 'search', durationMs: 3, arguments: { text: 'printer' } },
  ...change,
});

describe('POST /internal/audit takes records from the server of a resource, about that resource (SP-9, SP-37)', () => {
  let database: TestDatabase;
  let server: InProcess;
  let replica: InProcess;
  let desk: ServerCredentials;
  let notes: ServerCredentials;

  beforeAll(async () => {
    database = await createTestDatabase();
    const configuration = {
      resources: {
        [NOTES]: {
          name: 'Notes',
          scopes: { 'notes:read': { description: 'Read notes' } },
          defaultScopes: ['notes:read'],
        },
      },
    };
    server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration });
    replica = await startInProcess({ databaseUrl: database.url, configuration, issuer: server.issuer });
    desk = await registerResourceServer(server.database, server.mcpUrl);
    notes = await registerResourceServer(server.database, NOTES);
  });

  afterAll(async () => {
    await replica?.close();
    await server?.close();
    await database?.drop();
  });

  function send(
    records: unknown,
    { as = desk, resource = server.mcpUrl, port = server.port } = {},
  ): Promise<JsonAnswer> {
    return sendJson(`http://localhost:${port}/internal/audit`, {
      method: 'POST',
      headers: {
        ...basicAuthorization(as),
        'content-type': 'application/json',
        host: new URL(server.issuer).host,
      },
      body: JSON.stringify({ resource, records }),
    });
  }

  const stored = (filter: object) => createAuditLog(server.database).list({ limit: 1000, ...filter });

  test('records are stored as they are, with the resource of the sender, and sealed', async () => {
    const record = aRecord({
      address: '192.0.2.7',
      correlationId: 'reported',
      sizeBytes: 12,
      detail: { decision: 'x' },
    });
    expect(await send([record])).toMatchObject({ status: 200, json: { stored: 1, refused: [] } });
    const { id, time, ...rest } = record;
    expect(await stored({ correlationId: 'reported' })).toEqual([
      {
        ...rest,
        id: expect.stringMatching(`^${id.slice(0, 12)}[0-9a-f]{20}$`),
        time: new Date(time),
        resource: server.mcpUrl,
      },
    ]);
    await server.audit.seal();
    expect(await server.database.prisma.auditEvent.count({ where: { correlationId: 'reported', seq: null } })).toBe(0);
  });

  test('eight times the same batch at once, at two replicas, is stored once, and says something else never', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const subject = `again-${round}`;
      const records = Array.from({ length: 20 }, () => aRecord({ subject }));
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => send(records, { port: i % 2 === 0 ? server.port : replica.port })),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
      expect(await stored({ subject })).toHaveLength(20);
      await send(records.map((record) => ({ ...record, tool: 'another' })));
      expect((await stored({ subject })).every(({ tool }) => tool === 'search')).toBe(true);
    }
  });

  test('nobody can take the id of somebody else’s record, such as that of an anomaly, and so keep it out', async () => {
    await send(Array.from({ length: 20 }, () => aRecord({ subject: 'failing', outcome: 'denied' })));
    expect(await server.audit.watch()).toBe(1);
    const [anomaly] = await stored({ subject: 'failing', type: 'anomaly.raised' });
    const id = anomaly?.id ?? '';
    const record = aRecord({ subject: 'taking', id }, new Date(Number.parseInt(id.slice(0, 12), 16)));
    await send([record]);
    await send([record], { as: notes, resource: NOTES });
    const taking = await stored({ subject: 'taking' });
    expect(new Set(taking.map(({ resource }) => resource))).toEqual(new Set([server.mcpUrl, NOTES]));
    expect(new Set([id, ...taking.map((each) => each.id)]).size).toBe(3);
  });

  test('strangers, clients of users, wrong secrets and other resources are refused, and nothing is stored', async () => {
    const subject = 'refused';
    const app = await registerClient(await targetOf(server), {
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: ['https://app.example/cb'],
    });
    const asApp = { clientId: app.id, clientSecret: app.secret ?? '' };
    const wrong = { ...desk, clientSecret: 'not the secret' };
    expect((await send([aRecord({ subject })], { as: asApp })).status).toBe(401);
    expect((await send([aRecord({ subject })], { as: wrong })).status).toBe(401);
    expect((await send([aRecord({ subject })], { as: { clientId: 'nobody', clientSecret: 'x' } })).status).toBe(401);
    expect((await send([aRecord({ subject })], { as: notes })).status).toBe(403);
    expect((await send([aRecord({ subject })], { resource: NOTES })).status).toBe(403);
    await createClientStore(server.database).setDisabled({ id: notes.clientId, disabled: true, now: new Date() });
    expect((await send([aRecord({ subject })], { as: notes, resource: NOTES })).status).toBe(401);
    expect(await stored({ subject })).toEqual([]);
  });

  test('what is no record of a call is refused one by one; what is no report, as a whole', async () => {
    const subject = 'odd';
    const odd = [
      aRecord({ subject, type: 'user.signed_in' }),
      aRecord({ subject, resource: NOTES }),
      aRecord({ subject, seq: 1 }),
      aRecord({ subject, id: 'short' }),
      aRecord({ subject, id: 'f'.repeat(32) }),
      aRecord({ subject, id: '0'.repeat(32) }),
      aRecord({ subject }, minutesAhead(6)),
      aRecord({ subject, time: 'yesterday' }),
      aRecord({ subject, durationMs: 2 ** 40 }),
      aRecord({ subject, arguments: { text: 'x'.repeat(9000) } }),
      'text',
      null,
    ];
    const answer = await send([...odd, aRecord({ subject, outcome: 'denied' })]);
    expect(answer).toMatchObject({ status: 200, json: { stored: 1, refused: odd.map((_, i) => i) } });
    expect(await stored({ subject })).toMatchObject([{ outcome: 'denied' }]);
    expect((await send([])).status).toBe(400);
    expect((await send(Array.from({ length: 101 }, () => aRecord({ subject })))).status).toBe(400);
    expect((await send(Array.from({ length: 90 }, () => ({ text: 'x'.repeat(20_000) })))).status).toBe(400);
    expect((await send('text')).status).toBe(400);
  });

  test('a name that some readers of JSON refuse keeps neither its record out nor those beside it', async () => {
    const subject = 'prototype';
    const args = JSON.parse('{"__proto__": {"a": 1}, "text": "x"}');
    const records = [aRecord({ subject }), aRecord({ subject, arguments: args }), aRecord({ subject })];
    expect(await send(records)).toMatchObject({ status: 200, json: { stored: 3, refused: [] } });
    expect(await stored({ subject })).toHaveLength(3);
  });

  test('a clock that is ahead puts no record into the future', async () => {
    expect(await send([aRecord({ subject: 'ahead' }, minutesAhead(4))])).toMatchObject({ json: { stored: 1 } });
    const [record] = await stored({ subject: 'ahead' });
    expect(record?.time.getTime()).toBeLessThanOrEqual(Date.now());
  });
});

describe('calls of the support desk are in the audit trail, whatever is killed (SP-37)', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ authorizationServer: OWNER_ENV });
  });
  afterAll(() => stack?.stop());

  test('every call that was answered is recorded once, when both servers are killed in the middle', async () => {
    const target = await targetOf(stack);
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const { access: token } = tokensOf(await redeem(target, client, { code }));
    const answered: string[] = [];
    const call = async () => {
      const answer = await callTool(stack.mcpUrl, { token, name: 'whoami' }).catch(() => undefined);
      if (answer?.result && !answer.result.isError) answered.push(String(answer.headers['x-correlation-id']));
    };
    for (let round = 0; round < rounds(2); round++) {
      for (let i = 0; i < 10; i++) await call();
      await Promise.all([
        ...Array.from({ length: 20 }, call),
        round % 2 === 0 ? stack.killHard() : stack.authorizationServer.kill(),
      ]);
      await stack.restart();
    }
    await call();
    const database = await openDatabase({ url: stack.databases.authorizationServer });
    try {
      const recorded = () => createAuditLog(database).list({ type: 'tool.called', client: client.id, limit: 1000 });
      const ids = async () => (await recorded()).map(({ correlationId }) => correlationId);
      await pollUntil(
        async () => {
          const known = new Set(await ids());
          return answered.every((id) => known.has(id));
        },
        { what: 'every answered call' },
      );
      expect(new Set(await ids()).size).toBe((await ids()).length);
      expect(answered.length).toBeGreaterThanOrEqual(11);
      await pollUntil(async () => (await database.prisma.auditEvent.count({ where: { seq: null } })) === 0, {
        what: 'all records in the chain',
      });
    } finally {
      await database.close();
    }
    await stack.stopServers();
    expect(readFileSync(join(stack.dataDir, 'audit-anchors.jsonl'), 'utf8')).toMatch(/\{"anchor":"ey[\w.-]+"\}\n$/);
  });
});

test('SP-29 SP-37 of a desk that is split in two, the calls of both halves are in the audit trail', async () => {
  const shared = { PORTCULLIS_MCP_SPLIT: 'on', PORTCULLIS_MCP_CLIENT_SECRET: 'secret-of-the-desk-'.repeat(3) };
  const { server, close } = await startServersWithDesk({ env: OWNER_ENV, shared });
  try {
    const halves = [server.mcpUrl, server.mcpUrl.replace(/read$/, 'act')];
    for (const mcpUrl of halves) {
      const target = await targetOf({ issuer: server.issuer, mcpUrl });
      const client = await registerClient(target);
      const code = await obtainCode(target, client, { person: createHttpPerson() });
      const { access: token } = tokensOf(await redeem(target, client, { code }));
      expect((await callTool(mcpUrl, { token, name: 'whoami' })).result?.isError).toBeUndefined();
    }
    const recorded = () => createAuditLog(server.database).list({ type: 'tool.called' });
    await pollUntil(async () => (await recorded()).length === 2, { what: 'a call of each half' });
    expect((await recorded()).map(({ resource }) => resource).sort()).toEqual([...halves].sort());
  } finally {
    await close();
  }
});
