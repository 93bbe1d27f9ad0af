import { cp } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import {
  callMcp,
  createHttpPerson,
  createSdkV1Client,
  createSdkV2Client,
  findFreePort,
  pollUntil,
} from '../../../src/index.ts';
import { type ServerProcess, startServerProcess } from '../../../src/server-process.ts';
import { type EmptyProject, projectWithGuard } from '../support/empty-project.ts';
import { type InProcess, startInProcess } from '../support/in-process.ts';
import { openAs } from '../support/journey.ts';
import { OWNER, OWNER_ENV } from '../support/owner.ts';

const ADAPTERS = ['Node.js', 'Express 5', 'Koa', 'Hono', 'fetch', 'SDK v1 on Node.js'];
const DEPENDENCIES = [
  '@hono/node-server',
  '@modelcontextprotocol/sdk',
  '@modelcontextprotocol/server',
  'express',
  'hono',
  'koa',
  'zod',
];

let database: TestDatabase;
let server: InProcess;
let project: EmptyProject;
let examples: ServerProcess;
let urls: string[];
const person = createHttpPerson();

beforeAll(async () => {
  const ports = new Set<number>();
  while (ports.size < ADAPTERS.length) ports.add(await findFreePort());
  urls = [...ports].map((port) => `http://localhost:${port}/mcp`);
  database = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    configuration: { resources: Object.fromEntries(urls.map((url, index) => [url, resource(ADAPTERS[index] ?? '')])) },
  });
  project = await projectWithGuard(DEPENDENCIES);
  await cp(new URL('../support/serve-examples.mjs', import.meta.url), new URL('serve-examples.mjs', project.folder));
  examples = startServerProcess(new URL('serve-examples.mjs', project.folder), {}, [server.issuer, ...urls]);
  for (const url of urls) {
    await pollUntil(async () => (await callMcp(url)).status === 401, { what: `the example at ${url}` }).catch(
      (cause: unknown) => {
        throw new Error(`the examples do not run: ${examples.stderr()}`, { cause });
      },
    );
  }
});

afterAll(async () => {
  await examples?.kill();
  await server?.close();
  await project?.remove();
  await database?.drop();
});

function resource(name: string) {
  return {
    name,
    scopes: {
      'desk:read': { description: 'Read' },
      'desk:write': { description: 'Write' },
      'desk:admin': { description: 'Export' },
    },
    defaultScopes: ['desk:read'],
  };
}

describe('the packed guard in an empty project, as its README shows it', () => {
  test.each(ADAPTERS.map((name, index) => [name, index] as const))(
    'RS-1, RS-4 %s: the SDKs’ clients sign in from the bare URL and call a tool',
    async (_name, index) => {
      const mcpUrl = urls[index] ?? '';
      const openInBrowser = openAs(person, OWNER);
      const clients = [
        await createSdkV2Client({ mcpUrl, openInBrowser, mode: 'auto' }),
        await createSdkV2Client({ mcpUrl, openInBrowser }),
        await createSdkV1Client({ mcpUrl, openInBrowser }),
      ];
      try {
        for (const client of clients) {
          await client.connect();
          expect(await client.listTools()).not.toContain('export_customers');
          const [registered] = client.stored.clientInformation;
          expect(await client.callTool('whoami')).toMatchObject({ text: `${registered?.client_id}: desk:read` });
        }
      } finally {
        for (const client of clients) await client.close();
      }
    },
  );
});
