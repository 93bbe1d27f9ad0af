import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '../../../../src/index.ts';
import type { DrivenClient, DrivenOptions } from './driven-client.ts';
import { printedAuthorizationUrl, readWhoami } from './driven-client.ts';

const timeoutMs = 30_000;

/** mcporter on the command line: `mcporter auth desk` once, then `mcporter call desk.whoami`, each a process of its own. */
export function driveMcporter({ mcpUrl, home, openInBrowser }: DrivenOptions): DrivenClient {
  const config = join(home.folder, 'mcporter.json');

  const run = async (args: readonly string[], onOutput: (output: string) => void = () => {}) => {
    const program = fileURLToPath(import.meta.resolve('mcporter/cli'));
    const child = spawn(process.execPath, [program, '--config', config, ...args], {
      env: { ...home.env, MCPORTER_OAUTH_NO_BROWSER: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput(stdout);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`mcporter ${args[0]} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  };

  const signIn = async () => {
    // With a port of its choice it would register anew at each start (docs/clients.md).
    const oauthRedirectUrl = `http://127.0.0.1:${await findFreePort()}/callback`;
    await writeFile(config, JSON.stringify({ mcpServers: { desk: { url: mcpUrl, auth: 'oauth', oauthRedirectUrl } } }));
    let opened: Promise<unknown> | undefined;
    await run(['auth', 'desk'], (output) => {
      const url = printedAuthorizationUrl(output);
      if (url && !opened) opened = openInBrowser(url);
    });
    await opened;
  };

  return {
    async whoami() {
      if (!existsSync(config)) await signIn();
      return readWhoami(JSON.parse(await run(['call', 'desk.whoami', '--output', 'json'])));
    },
    end: async () => {},
  };
}
