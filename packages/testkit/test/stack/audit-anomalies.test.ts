import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditLog, createAuditLog } from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { type InProcess, startInProcess } from './support/in-process.ts';

const HOUR_MS = 3_600_000;

describe('SP-38: anomalies in the trail are raised, as a record and a count', () => {
  let database: TestDatabase;
  let server: InProcess;
  let replica: InProcess;
  let audit: AuditLog;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startInProcess({ databaseUrl: database.url });
    replica = await startInProcess({ databaseUrl: database.url, issuer: server.issuer });
    audit = createAuditLog(server.database);
    // What is raised once in an hour must not meet the end of one.
    const toQuarterPast = (75 - new Date().getMinutes()) * 60;
    for (const each of [server, replica]) each.pass(toQuarterPast);
  });

  afterAll(async () => {
    await replica?.close();
    await server?.close();
    await database?.drop();
  });

  async function record(count: number, change: Partial<AuditEvent>): Promise<void> {
    const event = { type: 'tool.called', outcome: 'success', client: 'app', time: server.now() } as const;
    await Promise.all(Array.from({ length: count }, () => audit.record({ ...event, ...change })));
  }

  /** What was raised about a user; both replicas look at the same time. */
  async function raisedAbout(subject: string): Promise<unknown[]> {
    await Promise.all([server, replica, server, replica].map((each) => each.audit.watch()));
    return (await audit.list({ type: 'anomaly.raised', subject })).map(({ detail }) => detail?.kind);
  }

  test('repeated failures of one user and app, and not fewer, or of several', async () => {
    await record(19, { subject: 'few', outcome: 'denied' });
    for (const client of ['a', 'b', 'c']) await record(10, { subject: 'several', client, outcome: 'denied' });
    await record(20, { subject: 'failing', outcome: 'denied' });
    expect(await raisedAbout('failing')).toEqual(['repeated_failures']);
    expect(await raisedAbout('few')).toEqual([]);
    expect(await raisedAbout('several')).toEqual([]);
    const [anomaly] = await audit.list({ type: 'anomaly.raised', subject: 'failing' });
    expect(anomaly).toMatchObject({ client: 'app', outcome: 'denied', detail: { count: 20 } });
    const counted = `${await server.metrics()}${await replica.metrics()}`;
    expect(counted.match(/anomalies_total\{kind="repeated_failures"\} 1/g)).toHaveLength(1);
  });

  test('a burst of calls within a minute, and not the same number over fifteen', async () => {
    await record(240, { subject: 'bursting' });
    for (let minute = 0; minute < 14; minute++) {
      await record(20, { subject: 'steady', time: new Date(server.now().getTime() - minute * 60_000) });
    }
    expect(await raisedAbout('bursting')).toEqual(['burst']);
    expect(await raisedAbout('steady')).toEqual([]);
  });

  test('however many records there are of others, what there is of one user is found', async () => {
    await record(20, { subject: 'hidden', outcome: 'denied' });
    await record(240, { subject: 'hidden too' });
    const noise = Array.from({ length: 6000 }, (_, n) => ({
      ...({ id: `noise-${n}`, type: 'tool.called', outcome: 'success', time: server.now() } as const),
      ...{ subject: `noise ${n % 3000}`, client: 'noise' },
    }));
    for (let n = 0; n < noise.length; n += 1000) await audit.recordOnce(noise.slice(n, n + 1000));
    expect(await raisedAbout('hidden')).toEqual(['repeated_failures']);
    expect(await raisedAbout('hidden too')).toEqual(['burst']);
  });

  test('calls at an hour that is far from every hour before, once there is a habit', async () => {
    const daysAgo = (days: number, hours = 0) => new Date(server.now().getTime() - (days * 24 + hours) * HOUR_MS);
    for (let day = 1; day <= 8; day++) {
      await record(1, { subject: 'by day', time: daysAgo(day, 8) });
      await record(1, { subject: 'the same hour', time: daysAgo(day, 1) });
      if (day < 6) await record(1, { subject: 'new here', time: daysAgo(day, 8) });
    }
    for (const subject of ['by day', 'the same hour', 'new here']) await record(1, { subject });
    expect(await raisedAbout('by day')).toEqual(['odd_hours']);
    expect(await raisedAbout('the same hour')).toEqual([]);
    expect(await raisedAbout('new here')).toEqual([]);
    expect(await raisedAbout('by day')).toEqual(['odd_hours']);
  });
});
