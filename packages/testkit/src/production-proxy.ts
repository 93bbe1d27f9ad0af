import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@portcullis/test-database';
import { createCertificateAuthority } from './certificate-authority.ts';
import { pollUntil } from './poll.ts';

/** The TLS proxy of docker-compose.yml with its own configuration, as a process on loopback ports. */
export type ProductionProxy = {
  /** What clients see of the authorization server: `https://localhost:PORT`. */
  loginOrigin: string;
  /** What they see of the MCP server. */
  deskOrigin: string;
  /** File with the certificate of the authority that vouches for the proxy; this process trusts it already. */
  authorityFile: string;
  /** Sends requests on to replicas, by the ports of 127.0.0.1 on which they listen. */
  start(replicas: { authorizationServers: readonly number[]; mcpServers: readonly number[] }): void;
  /** Waits until the proxy has noticed that the replica on a port is ready. */
  untilUsed(port: number): Promise<void>;
  /** What the proxy logged so far. */
  logs(): string;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
};

const CONFIGURATION = fileURLToPath(new URL('../../../docker/Caddyfile', import.meta.url));

/** Path of Caddy: the one `PORTCULLIS_TEST_CADDY` names, or the first on the search path; undefined when there is none. */
function findCaddy(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const candidates = [process.env.PORTCULLIS_TEST_CADDY, ...folders.map((folder) => path.join(folder, 'caddy'))];
  return candidates.find((candidate) => candidate !== undefined && candidate !== '' && isExecutable(candidate));
}

/**
 * Prepares a proxy with a certificate of a throwaway authority, which this process trusts from now on. It listens once
 * it is started.
 * @throws {Error} when there is no Caddy.
 */
export async function prepareProductionProxy(): Promise<ProductionProxy> {
  const program = findCaddy();
  if (program === undefined) throw new Error('Caddy is not installed on this machine');
  const folder = await mkdtemp(path.join(tmpdir(), 'portcullis-proxy-'));
  const files = await writeCertificates(folder);
  const [login, desk, http, https] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  let output = '';
  let stop = async () => {};

  return {
    loginOrigin: `https://localhost:${login}`,
    deskOrigin: `https://localhost:${desk}`,
    authorityFile: files.authority,
    start({ authorizationServers, mcpServers }) {
      const child = spawn(program, ['run', '--config', CONFIGURATION, '--adapter', 'caddyfile'], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...{ HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
          LISTEN_ON: '127.0.0.1',
          HTTP_PORT: String(http),
          HTTPS_PORT: String(https),
          LOGIN_SITE: `localhost:${login}`,
          DESK_SITE: `localhost:${desk}`,
          PROXY_TLS: `tls ${files.certificate} ${files.key}`,
          AUTHORIZATION_SERVERS: addresses(authorizationServers),
          MCP_SERVERS: addresses(mcpServers),
        },
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
      const ended = new Promise<void>((resolve) => {
        child.once('error', (cause) => {
          output += cause.message;
          resolve();
        });
        child.once('close', () => resolve());
      });
      stop = async () => {
        child.kill('SIGKILL'); // Its graceful end waits for streams that are open.
        await ended;
      };
    },
    async untilUsed(port) {
      const isUsed = () =>
        output
          .split('\n')
          .findLast((line) => isOnHealthOf(port, line))
          ?.includes('"host is up"');
      await pollUntil(isUsed, { what: `the proxy to use the replica on port ${port}` });
    },
    logs: () => output,
    async stop() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeCertificates(folder: string): Promise<{ authority: string; certificate: string; key: string }> {
  // Of several authorities with one name, the first that is trusted would be asked for the signature of each.
  const authority = createCertificateAuthority(`Throwaway authority ${randomUUID()}`);
  const { certificate, key } = authority.issue({
    subject: [['CN', 'localhost']],
    alternativeNames: [['dns', 'localhost']],
    purposes: ['server'],
  });
  setDefaultCACertificates([...getCACertificates('default'), authority.certificate]);
  const texts = { authority: authority.certificate, certificate, key };
  const files = { authority: 'authority.pem', certificate: 'localhost.pem', key: 'localhost.key' };
  const write = async (name: keyof typeof files) => {
    const file = path.join(folder, files[name]);
    await writeFile(file, texts[name], { mode: 0o600 });
    return file;
  };
  return { authority: await write('authority'), certificate: await write('certificate'), key: await write('key') };
}

/** The proxy writes a line about a replica when it is up again, and each second while it is not. */
const isOnHealthOf = (port: number, line: string): boolean =>
  line.includes('health_checker') && line.includes(`"127.0.0.1:${port}"`);

const addresses = (ports: readonly number[]): string => ports.map((port) => `127.0.0.1:${port}`).join(' ');

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
