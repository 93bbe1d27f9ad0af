import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { Step } from '../../src/index.ts';
import { createHttpPerson } from '../../src/index.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER } from './support/owner.ts';

let testDatabase: TestDatabase;
let server: InProcess;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({ databaseUrl: testDatabase.url });
});

afterEach(async () => {
  await server?.close();
  await testDatabase?.drop();
});

/** Makes the database as it was before anybody was set up. */
async function forgetEverybody(): Promise<string> {
  const { prisma } = server.database;
  await prisma.userRole.deleteMany();
  await prisma.user.deleteMany();
  await prisma.oneTimeLink.deleteMany();
  await server.close();
  server = await startInProcess({ databaseUrl: testDatabase.url });
  return String(server.setupLink);
}

test.each([2, 8])('%d simultaneous set-up posts make exactly one administrator', async (contenders) => {
  let link = String(server.setupLink);
  for (let round = 0; round < rounds(10); round++) {
    const people = Array.from({ length: contenders }, () => createHttpPerson());
    const pages = await Promise.all(people.map((person) => person.open(link)));
    const steps = await Promise.all(
      people.map((person, i) => person.submit(pageAt(pages, i), { ...OWNER, email: `owner${i}@example.com` })),
    );
    const statuses = steps.map(({ answer }) => answer.status).sort();
    expect(statuses).toEqual([200, ...Array(contenders - 1).fill(410)]);
    const users = await server.database.prisma.user.findMany({ include: { roles: true } });
    expect(users).toHaveLength(1);
    expect(users[0]?.email).toBe(`owner${steps.findIndex(({ answer }) => answer.status === 200)}@example.com`);
    link = await forgetEverybody();
  }
});

test('of two replicas that each printed a link, the first post makes the administrator and the other link is dead', async () => {
  const replica = await startInProcess({ databaseUrl: testDatabase.url, issuer: server.issuer });
  const links = [server.setupLink, replica.setupLink].map(String);
  const people = links.map(() => createHttpPerson());
  const pages = await Promise.all(people.map((person, i) => person.open(links[i] ?? '')));
  const steps = await Promise.all(
    people.map((person, i) => person.submit(pageAt(pages, i), { ...OWNER, email: `owner${i}@example.com` })),
  );
  expect(steps.map(({ answer }) => answer.status).sort()).toEqual([200, 410]);
  expect(await server.database.prisma.user.count()).toBe(1);
  await replica.close();
});

function pageAt(pages: readonly Step[], index: number): Step {
  const page = pages[index];
  if (!page) throw new Error(`no page ${index}`);
  return page;
}
