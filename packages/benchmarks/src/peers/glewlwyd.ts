import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createCookieJar, findFreePort, pollUntil } from '@portcullis/testkit';
import { exportPKCS8, exportSPKI, generateKeyPair } from 'jose';
import { basicAuthorization, exchange, exchangeForm } from '../scenarios/http-exchange.ts';
import type { RefreshChain } from '../scenarios/token-endpoint.ts';
import type { Machine } from './issuer-about.ts';
import { machineToken } from './machine.ts';
import { PERSON } from './portcullis.ts';
import { RESOURCE, SCOPE, type Subject } from './subject.ts';

/** Where the packages of Debian and its children put the program, what it loads, and its tables. */
const PROGRAM = '/usr/bin/glewlwyd';
const MODULES = '/usr/lib/glewlwyd';
const TABLES = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';
/** Who its tables begin with. */
const ADMINISTRATOR = { username: 'admin', password: 'password' };

/** Whether Glewlwyd is installed on this machine. */
export function hasGlewlwyd(): boolean {
  return [PROGRAM, MODULES, TABLES].every((path) => existsSync(path));
}

/**
 * Glewlwyd with its OpenID Connect plugin, on SQLite as it opens it, with refresh tokens that work once. Nobody's pages
 * are filled in here: a family begins with the password grant, and its client has a secret, as that grant wants.
 */
export async function startGlewlwyd(machine: Machine): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-glewlwyd-'));
  const port = await findFreePort();
  const origin = `http://localhost:${port}`;
  const path = join(folder, 'glewlwyd.sqlite');
  const database = new DatabaseSync(path);
  database.exec(readFileSync(TABLES, 'utf8'));
  database.close();
  await writeFile(join(folder, 'glewlwyd.conf'), configuration({ port, origin, path }));
  const server = spawn(PROGRAM, ['--config-file', join(folder, 'glewlwyd.conf')], { stdio: 'ignore' });
  const stop = async () => {
    const ended = once(server, 'exit');
    if (server.exitCode === null && server.signalCode === null && server.kill('SIGTERM')) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await once(server, 'spawn');
    await setUp(origin, machine);
  } catch (cause) {
    await stop();
    throw cause;
  }
  const tokenEndpoint = `${origin}/api/oidc/token`;
  return {
    name: 'Glewlwyd, SQLite',
    servers: [server.pid ?? 0],
    target: undefined,
    refreshing: { tokenEndpoint, resource: RESOURCE, begin: () => beginFamily(tokenEndpoint, machine.secret) },
    jwksUri: `${origin}/api/oidc/jwks`,
    machines: { secret: { tokenEndpoint, resource: RESOURCE, scope: SCOPE, client: machine.secret } },
    introspection: { endpoint: `${origin}/api/oidc/introspect`, client: machine.secret },
    introspectedToken: () => machineToken(tokenEndpoint, { client: machine.secret, form: { scope: SCOPE } }),
    passwordHash: undefined,
    stop,
  };
}

function configuration({ port, origin, path }: { port: number; origin: string; path: string }): string {
  const settings = {
    ...{ port, bind_address: '127.0.0.1', external_url: `${origin}/`, log_mode: 'console', log_level: 'ERROR' },
    ...{ session_key: 'GLEWLWYD2_SESSION_ID', admin_scope: 'g_admin', profile_scope: 'g_profile' },
    ...{ user_module_path: `${MODULES}/user`, client_module_path: `${MODULES}/client` },
    ...{ user_auth_scheme_module_path: `${MODULES}/scheme`, plugin_module_path: `${MODULES}/plugin` },
    // It wants these named even where it speaks no TLS.
    ...{ use_secure_connection: false, secure_connection_key_file: 'none', secure_connection_pem_file: 'none' },
    hash_algorithm: 'SHA512',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [...lines, `database={ type="sqlite3"; path=${JSON.stringify(path)}; };`, ''].join('\n');
}

/** Does with its API what an administrator does on its pages. */
async function setUp(origin: string, { secret: { clientId, clientSecret } }: Machine): Promise<void> {
  const cookies = createCookieJar();
  const post = async (path: string, body: object) => {
    const url = new URL(`${origin}/api${path}`);
    const headers = { 'content-type': 'application/json', cookie: cookies.header(url) ?? '' };
    const answer = await exchange({ url, headers, body: JSON.stringify(body) });
    cookies.store(url, answer.headers['set-cookie']);
    if (answer.status !== 200) throw new Error(`status ${answer.status} at ${path}: ${answer.text.slice(0, 300)}`);
    return true;
  };
  await pollUntil(() => post('/auth/', ADMINISTRATOR), { what: 'Glewlwyd', deadlineMs: 10_000 });
  await post('/scope/', { name: SCOPE, display_name: SCOPE, description: SCOPE, password_required: false, scheme: {} });
  await post('/mod/plugin/', {
    ...{ module: 'oidc', name: 'oidc', display_name: 'oidc' },
    parameters: await pluginParameters(origin),
  });
  await post('/client/', {
    ...{ client_id: clientId, client_secret: clientSecret, confidential: true, name: clientId, enabled: true },
    authorization_type: ['client_credentials', 'password', 'refresh_token'],
    token_endpoint_auth_method: ['client_secret_basic'],
    scope: [SCOPE],
    redirect_uri: ['https://machine.example/unused'],
  });
  await post('/user/', { username: PERSON.email, password: PERSON.password, scope: [SCOPE], enabled: true });
}

async function pluginParameters(origin: string): Promise<object> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return {
    ...{ iss: `${origin}/api/oidc`, 'subject-type': 'public', 'jwks-show': true },
    ...{ 'jwt-type': 'ecdsa', 'jwt-key-size': '256' },
    ...{ key: await exportPKCS8(privateKey), cert: await exportSPKI(publicKey) },
    ...{ 'access-token-duration': 3600, 'refresh-token-duration': 1_209_600, 'code-duration': 600 },
    ...{ 'refresh-token-rolling': true, 'refresh-token-one-use': 'always', 'allow-non-oidc': true },
    ...{ 'auth-type-client-enabled': true, 'auth-type-password-enabled': true, 'auth-type-refresh-enabled': true },
    ...{ 'introspection-revocation-allowed': true, 'introspection-revocation-allow-target-client': true },
  };
}

async function beginFamily(tokenEndpoint: string, client: Machine['secret']): Promise<RefreshChain> {
  const form = { grant_type: 'password', username: PERSON.email, password: PERSON.password, scope: SCOPE };
  const answer = await exchangeForm(new URL(tokenEndpoint), form, basicAuthorization(client));
  if (typeof answer.refresh_token !== 'string') throw new Error('no refresh token came');
  return { ...client, refreshToken: answer.refresh_token };
}
