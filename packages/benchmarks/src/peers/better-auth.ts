import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@portcullis/testkit';
import { startProgram } from '../child-program.ts';
import { familiesOf, type SignInTarget } from '../scenarios/journey.ts';
import type { Machine } from './issuer-about.ts';
import { machineRequests, machineToken } from './machine.ts';
import { PERSON } from './portcullis.ts';
import { RESOURCE, SCOPE, type Subject } from './subject.ts';

const FOLDER = new URL('../../peers/', import.meta.url);

type Ready = { withSecret: Machine['secret']; withKey: { clientId: string } };

/** better-auth with its OAuth provider, on a database of a PostgreSQL server. */
export async function startBetterAuth(machine: Machine, databaseUrl: string): Promise<Subject> {
  const origin = `http://localhost:${await findFreePort()}`;
  const program = await startProgram<Ready>(
    'better-auth',
    { databaseUrl, origin, resource: RESOURCE, scope: SCOPE, person: PERSON, machineJwk: machine.publicJwk },
    new URL('better-auth.mjs', FOLDER),
  );
  const issuer = `${origin}/api/auth`;
  const { withSecret, withKey } = program.ready;
  const tokenEndpoint = `${issuer}/oauth2/token`;
  const own = { secret: withSecret, key: { clientId: withKey.clientId, privateJwk: machine.key.privateJwk } };
  const target: SignInTarget = {
    person: { kind: 'better-auth', issuer, authorizationEndpoint: `${issuer}/oauth2/authorize`, ...PERSON },
    registrationEndpoint: `${issuer}/oauth2/register`,
    tokenEndpoint,
    resource: RESOURCE,
    // Without this scope it gives no refresh token.
    scope: `offline_access ${SCOPE}`,
  };
  return {
    name: 'better-auth, PostgreSQL',
    servers: [program.pid],
    target,
    refreshing: familiesOf(target),
    jwksUri: `${issuer}/jwks`,
    machines: machineRequests(own, { tokenEndpoint, audience: tokenEndpoint, resource: RESOURCE, scope: SCOPE }),
    introspection: { endpoint: `${issuer}/oauth2/introspect`, client: withSecret },
    introspectedToken: () =>
      machineToken(tokenEndpoint, { client: withSecret, form: { scope: SCOPE, resource: RESOURCE } }),
    passwordHash: undefined,
    stop: () => program.stop(),
  };
}

/** Whether better-auth is there; it comes with nothing else, and is installed where it is asked for. */
export function hasBetterAuth(): boolean {
  return existsSync(new URL('node_modules/better-auth/package.json', FOLDER));
}

/** Installs exactly what the lockfile beside it says. @throws Error when npm fails */
export async function installBetterAuth(): Promise<void> {
  const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: fileURLToPath(FOLDER),
    stdio: ['ignore', 2, 2],
  });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error(`npm ci ended with code ${code}`);
}
