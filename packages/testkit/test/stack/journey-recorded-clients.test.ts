import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CryptoKey } from 'jose';
import { exportJWK, generateKeyPair } from 'jose';
import type { DocumentOrigin, HttpPerson, RecordedClient, RecordedShape } from '../../src/index.ts';
import {
  answerJson,
  answerStatus,
  createHttpPerson,
  plainText,
  readToken,
  recordedClients,
  startDocumentOrigin,
} from '../../src/index.ts';
import type { ServersWithDesk } from './support/desk-beside.ts';
import { startServersWithDesk } from './support/desk-beside.ts';
import { networkTo } from './support/document-client.ts';
import { OWNER_ENV } from './support/owner.ts';
import { replay } from './support/replay.ts';

type Case = { title: string; shape: RecordedShape; redirectUri: string };

const cases = recordedClients.flatMap(casesOf);
const refused = cases.filter(({ shape }) => shape.outcome === 'refused');

describe.each([
  {
    where: 'with each document where the client published it',
    documents: 'published',
    letIn: cases.filter((one) => !refused.includes(one)),
    turnedAway: refused,
  },
  {
    where: 'with each document out of reach',
    documents: 'out of reach',
    letIn: cases.filter(isStoodInFor),
    turnedAway: [],
  },
  {
    where: 'with what docs/clients.md pins for a client whose document is wrong',
    documents: 'published',
    configuration: pinnedInGuide(),
    letIn: refused,
    turnedAway: [],
  },
])('CL-1, CL-2, CL-8 to CL-12, CL-15: recorded clients, $where', ({ documents, configuration, letIn, turnedAway }) => {
  let origin: DocumentOrigin;
  let servers: ServersWithDesk;
  let key: CryptoKey;
  /** One browser for all of them: the password is asked for once. */
  let person: HttpPerson;

  beforeAll(async () => {
    const published = cases.flatMap(({ shape: { wayIn } }) => (wayIn.kind === 'metadata document' ? wayIn : []));
    origin = await startDocumentOrigin([...new Set(published.map(({ clientId }) => new URL(clientId).host))]);
    for (const { clientId, document } of published) {
      const answer = answerJson({ client_id: clientId, ...document });
      origin.set(clientId, documents === 'published' ? answer : answerStatus(403));
    }
    const pair = await generateKeyPair('RS256', { extractable: true });
    key = pair.privateKey;
    origin.set('https://chatgpt.com/oauth/jwks.json', answerJson({ keys: [await exportJWK(pair.publicKey)] }));
    servers = await startServersWithDesk({
      env: OWNER_ENV,
      network: networkTo(origin),
      ...(configuration && { configuration }),
    });
    person = createHttpPerson();
  });

  afterAll(async () => {
    await servers?.close();
    await origin?.close();
  });

  it.each(letIn)('$title', async ({ shape, redirectUri }) => {
    const { mcpUrl } = servers.server;
    const authorized = await replay({ shape, mcpUrl, redirectUri, person, key });
    const first = await authorized.finish();
    expect(await first.whoami()).toMatchObject({ client: first.clientId, scopes: first.scope.split(' ') });
    const second = await first.refreshed();
    expect(await second.whoami()).toMatchObject({ client: first.clientId, scopes: first.scope.split(' ') });

    const [before, after] = [first, second].map(({ access }) => readToken(access).claims);
    expect(after).toMatchObject({ aud: mcpUrl, sub: before?.sub, gid: before?.gid, scope: before?.scope });
    expect(second.refresh).not.toBe(first.refresh);
    if (shape.wayIn.kind === 'metadata document') expect(after?.client_id).toBe(shape.wayIn.clientId);
  });

  if (turnedAway.length === 0) return;

  it.each(turnedAway)('AS-26: is no way in: $title', async ({ shape, redirectUri }) => {
    const { step } = await replay({ shape, mcpUrl: servers.server.mcpUrl, redirectUri, person, key });
    expect({ status: step.answer.status, words: plainText(step.answer.text) }).toEqual({
      status: 400,
      words: expect.stringContaining('unknown address'),
    });
  });
});

function casesOf({ name, requirements, shapes }: RecordedClient): Case[] {
  return shapes.flatMap((shape, index) =>
    shape.redirectUris.map((redirectUri) => {
      const ways = { 'metadata document': 'AS-22, CL-5', registration: 'AS-36, CL-6', 'given id': 'AS-39' };
      const numbers = ['CL-4', ways[shape.wayIn.kind], requirements].join(', ');
      const title = `${numbers}: ${name} (${index + 1}) by ${shape.wayIn.kind}, back at ${redirectUri}`;
      return { title, shape, redirectUri };
    }),
  );
}

/** Whether a document of ours serves where the client's own cannot be had; ChatGPT's keys have no such copy. */
function isStoodInFor({ shape: { wayIn, authentication, outcome } }: Case): boolean {
  return wayIn.kind === 'metadata document' && authentication === 'none' && outcome === 'works';
}

/** The configuration that the guide tells operators to copy. */
function pinnedInGuide(): Record<string, unknown> {
  const guide = readFileSync(new URL('../../../../docs/clients.md', import.meta.url), 'utf8');
  const [, block = ''] = /^```json\n(\{\n {2}"clientMetadataDocuments"[^`]+)```/m.exec(guide) ?? [];
  return JSON.parse(block);
}
