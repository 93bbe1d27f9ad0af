import { expect } from '@jest/globals';
import { createAuditLog, openDatabase } from '@portcullis/persistence';
import type { HttpPerson } from '../../../src/index.ts';
import { asks, createHttpPerson, pollUntil, sendJson } from '../../../src/index.ts';
import type { ServerProcess } from '../../../src/server-process.ts';
import { adminTokens, callAdmin } from './administration.ts';
import { obtainCode, redeem, registerClient, type Target, type TestClient, tokensOf } from './authorization.ts';
import { createCommandLine } from './command-line.ts';
import { callTool } from './mcp-message.ts';
import { beginFamily, type Family, refresh } from './refreshing.ts';

/** What stands in the backup. */
export type BeforeBackup = {
  person: HttpPerson;
  client: TestClient;
  /** Revoked after the backup. */
  revoked: Family;
  /** Refreshed after the backup. */
  refreshed: Family;
  /** Answered with this. */
  ticketId: string;
  reply: string;
};

/** Somebody signs in, connects two apps, and answers a ticket. */
export async function liveBeforeBackup(target: Target): Promise<BeforeBackup> {
  const person = createHttpPerson();
  const client = await registerClient(target);
  const changes = { scope: 'desk:read desk:write' };
  const revoked = await beginFamily(target, client, { person, changes });
  const refreshed = await beginFamily(target, client, { person, changes });
  const reply = 'Written before the backup';
  const ticketId = await anyTicket(target, refreshed.access);
  const args = { ticketId, body: reply };
  const answer = await callTool(target.mcpUrl, { token: refreshed.access, name: 'reply_to_ticket', args });
  expect(answer.error ?? answer.result?.isError ?? false).toBe(false);
  return { person, client, revoked, refreshed, ticketId, reply };
}

/** Refreshes one family over and over while `work` goes on; no refresh may fail. */
export async function whileWriting<Done>(
  target: Target,
  { client, family }: { client: TestClient; family: Family },
  work: () => Promise<Done>,
): Promise<{ done: Done; writes: number }> {
  let [token, writes, over] = [family.refresh, 0, false];
  const writing = (async () => {
    while (!over || writes === 0) {
      token = tokensOf(await refresh(target, client, { token })).refresh;
      writes += 1;
    }
  })();
  const done = await work().finally(() => {
    over = true;
  });
  await writing;
  return { done, writes };
}

/** What happens after the backup, and is lost or undone by restoring it. */
export async function liveAfterBackup(target: Target, { client, revoked, refreshed }: BeforeBackup): Promise<void> {
  const body = new URLSearchParams({ token: revoked.refresh, client_id: client.id });
  expect(await sendJson(`${target.server.issuer}/revoke`, { body })).toMatchObject({ status: 200 });
  expect((await refresh(target, client, { token: revoked.refresh })).json?.error).toBe('invalid_grant');
  tokensOf(await refresh(target, client, { token: refreshed.refresh }));
}

/**
 * Waits until a desk that was just started has heard what has ended: until then it judges tokens by themselves, and
 * both servers start at once.
 */
export async function untilDeskHears(desk: ServerProcess): Promise<void> {
  await pollUntil(() => desk.stdout().includes('revocation: heard of at once'), { what: 'the desk listening' });
}

/** What must hold in the restored installation; `anchors` are files of the backup. */
export async function expectRestored(
  target: Target,
  { before, databaseUrl, anchors = [] }: { before: BeforeBackup; databaseUrl: string; anchors?: readonly string[] },
): Promise<void> {
  const { client, person, revoked, refreshed, ticketId, reply } = before;
  // Nothing that was taken away after the backup lets anybody in, and neither does what was good in it.
  for (const { refresh: token } of [revoked, refreshed]) {
    expect((await refresh(target, client, { token })).json?.error).toBe('invalid_grant');
  }
  for (const { access: token } of [revoked, refreshed]) {
    expect((await callTool(target.mcpUrl, { token, name: 'whoami' })).status).toBe(401);
  }
  expect(asks(await person.open(`${target.server.issuer}/account`), 'login')).toBe(true);
  // Users, clients and tickets are there.
  const code = await obtainCode(target, client, { person: createHttpPerson(), changes: { scope: 'desk:read' } });
  const { access } = tokensOf(await redeem(target, client, { code }));
  const ticket = await callTool(target.mcpUrl, { token: access, name: 'read_ticket', args: { ticketId } });
  expect(ticket.text).toContain(reply);
  // It is recorded, and the trail is whole.
  const tokens = await adminTokens(target, { person: createHttpPerson() });
  const { json } = await callAdmin(target.server.issuer, {
    token: tokens.access,
    path: '/audit?type=database.restored',
  });
  expect(json).toMatchObject({ items: [{ outcome: 'success', detail: { users: 1, signIns: 1, grants: 3 } }] });
  const cli = createCommandLine();
  cli.signIn(target.server.issuer, tokens);
  const end = await cli.run(['audit', 'verify', ...anchors.flatMap((file) => ['--anchor', file])]);
  cli.remove();
  expect(end).toMatchObject({ code: 0 });
  const database = await openDatabase({ url: databaseUrl });
  expect(await createAuditLog(database).list({ type: 'anomaly.raised' })).toEqual([]);
  await database.close();
}

async function anyTicket({ mcpUrl }: Target, token: string): Promise<string> {
  const { result } = await callTool(mcpUrl, { token, name: 'search_tickets' });
  const [, id] = /"ticketId":"([^"]+)"/.exec(JSON.stringify(result?.structuredContent)) ?? [];
  if (id === undefined) throw new Error('no ticket');
  return id;
}
