import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readToken } from '../../src/attacker.ts';
import { createSdkV1Client } from '../../src/clients/sdk-v1-client.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { createHttpPerson } from '../../src/http-person.ts';
import { documentOf } from './support/document-client.ts';
import type { PreparedStack } from './support/journey.ts';
import { openAs, startPreparedStack } from './support/journey.ts';

const clientMetadataUrl = 'https://agent.example/client.json';
/** Without a port, as native clients publish it. */
const document = documentOf(clientMetadataUrl, { redirect_uris: ['http://localhost/callback'] });

describe('an SDK client that names itself by a URL, with its document pinned', () => {
  let folder: string;
  let stack: PreparedStack;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'portcullis-pinned-'));
    const file = path.join(folder, 'portcullis.config.json');
    await writeFile(file, JSON.stringify({ clientMetadataDocuments: { pinned: { [clientMetadataUrl]: document } } }));
    stack = await startPreparedStack({ authorizationServer: { PORTCULLIS_CONFIG: file } });
  });

  afterAll(async () => {
    await stack?.stop();
    await rm(folder, { recursive: true });
  });

  it.each([
    ['SDK v1', createSdkV1Client],
    ['SDK v2', createSdkV2Client],
  ])(
    'AS-22, AS-40: %s registers nothing, signs in on a port of its own, calls a tool, and refreshes',
    async (_sdk, create) => {
      const person = createHttpPerson();
      const application = await create({ mcpUrl: stack.mcpUrl, openInBrowser: openAs(person), clientMetadataUrl });
      try {
        await application.connect();
        expect(application.stored.authorizationUrls[0]?.searchParams.get('client_id')).toBe(clientMetadataUrl);
        expect(await application.listTools()).toContain('whoami');
        application.spoilAccessToken();
        expect((await application.callTool('whoami')).isError).toBe(false);
        expect(application.stored.tokens).toHaveLength(2);
        for (const { access_token } of application.stored.tokens)
          expect(readToken(access_token).claims.client_id).toBe(clientMetadataUrl);
        expect(application.stored.authorizationUrls).toHaveLength(1);
      } finally {
        await application.close();
      }
    },
  );
});
