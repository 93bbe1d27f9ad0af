import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findFreePort } from '@portcullis/test-database';
import type { ConformanceRun } from '../../src/conformance/run.ts';
import { runConformance } from '../../src/conformance/run.ts';
import { createHttpPerson } from '../../src/http-person.ts';
import type { PreparedStack } from './support/journey.ts';
import { openAs, registered, startPreparedStack } from './support/journey.ts';

const timeoutMs = 60_000;

describe('the authorization server in the conformance suite', () => {
  let stack: PreparedStack;
  let result: ConformanceRun;
  let opened: URL[];

  beforeAll(async () => {
    stack = await startPreparedStack({ authorizationServerAlone: true });
    const port = await findFreePort();
    const { clientId } = await registered(stack.server, {
      client_name: 'Conformance suite',
      redirect_uris: [`http://127.0.0.1:${port}/callback`],
      token_endpoint_auth_method: 'none',
    });
    const outDir = await mkdtemp(path.join(tmpdir(), 'portcullis-conformance-'));
    const open = openAs(createHttpPerson());
    opened = [];
    let opening: Promise<unknown> = Promise.resolve();
    result = await runConformance({
      args: [
        'authorization',
        '--url',
        stack.issuer,
        '--client-id',
        clientId,
        '--resource',
        stack.mcpUrl,
        '--port',
        String(port),
      ],
      outDir,
      timeoutMs,
      trust: stack.trust,
      // The suite prints the URL and waits for somebody to open it.
      onOutput(output) {
        const [printed] = /\bhttps?:\S+\/authorize\?\S+(?=\s)/.exec(output) ?? [];
        if (printed === undefined || opened.length > 0) return;
        opened.push(new URL(printed));
        opening = open(new URL(printed));
      },
    });
    await opening;
    await rm(outDir, { recursive: true });
  }, timeoutMs);

  afterAll(() => stack?.stop());

  it('ends with exit status 0 after a person opened the printed URL', () => {
    expect({ exitCode: result.exitCode, output: result.exitCode === 0 ? '' : result.output }).toEqual({
      exitCode: 0,
      output: '',
    });
    expect(opened.map((url) => url.origin + url.pathname)).toEqual([stack.server.authorization_endpoint]);
  });

  it('AS-2, AS-3, AS-5, AS-13: both scenarios ran, and found something and no failure', () => {
    const found = [...result.scenarios].map(([name, checks]) => [
      name,
      checks.map(({ id, status }) => `${id} ${status}`),
    ]);
    expect(Object.fromEntries(found)).toEqual({
      'authorization-server-metadata-endpoint': [
        'authorization-server-metadata SUCCESS',
        'authorization-server-metadata-cimd SUCCESS',
      ],
      'authorization-code-grant': ['authorization-code-grant SUCCESS'],
    });
  });
});
