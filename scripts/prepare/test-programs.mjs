import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { inRoot } from './root.mjs';
import { Problem, run, say } from './step.mjs';

const DOWNLOAD_TIMEOUT_MS = 600_000;
const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CHROMIUM_PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/**
 * Finds what some tests need beside npm packages, and gets what is missing: Chromium, PostgreSQL's server programs, the
 * TLS proxy of the compose file, and docker-compose, which reads that file without an engine.
 *
 * @returns {Promise<{ env: Record<string, string>, leftOut: string[] }>} the environment for the tests, and a
 * sentence for each group of tests that cannot run
 * @throws {Problem} instead of leaving anything out, where `CI` is set
 */
export async function findTestPrograms(runtime) {
  const env = {};
  const leftOut = [];
  const chromium = (await findChromium(runtime)) ?? (await getChromium(runtime));
  if (chromium) env.PORTCULLIS_TEST_CHROMIUM = chromium;
  else {
    env.PORTCULLIS_TEST_WITHOUT_CHROMIUM = '1';
    leftOut.push(
      'Left out: the browser tests, because there is no Chromium here and it could not be had. Install it, or set PORTCULLIS_TEST_CHROMIUM to its path.',
    );
  }
  if (!(await findPostgresql(runtime)) && !(await getPostgresql(runtime))) {
    env.PORTCULLIS_TEST_WITHOUT_POSTGRESQL = '1';
    leftOut.push(
      'Left out: the PostgreSQL tests, because PostgreSQL 15 or newer (initdb, postgres) is not here and could not be had. Install it, or add its folder to PATH.',
    );
  }
  if (!(await findOrInstall('caddy', 'PORTCULLIS_TEST_CADDY'))) {
    env.PORTCULLIS_TEST_WITHOUT_CADDY = '1';
    leftOut.push(
      'Left out: the tests behind the TLS proxy, because Caddy is not here and could not be had. Install it, or set PORTCULLIS_TEST_CADDY to its path.',
    );
  }
  if (!(await findOrInstall('docker-compose'))) {
    env.PORTCULLIS_TEST_WITHOUT_COMPOSE = '1';
    leftOut.push('Left out: the check of docker-compose.yml, because docker-compose is not here and could not be had.');
  }
  if (leftOut.length > 0 && isCi()) throw new Problem(`${leftOut.join(' ')} With CI set, nothing may be left out.`);
  return { env, leftOut };
}

/** Whether this is an unattended run, in which nothing may be left out. */
export const isCi = () => !['', '0', 'false', undefined].includes(process.env.CI);

async function findChromium(runtime) {
  const given = process.env.PORTCULLIS_TEST_CHROMIUM;
  if (given && !isExecutable(given))
    throw new Problem(
      'PORTCULLIS_TEST_CHROMIUM does not name a program. Set it to the path of a Chromium, or unset it.',
    );
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => CHROMIUM_NAMES.map((name) => join(folder, name)));
  return [given, ...onPath, ...CHROMIUM_PLACES, await playwrightChromium(runtime)].find(
    (path) => path && isExecutable(path),
  );
}

/** Where Playwright would keep the browser that it downloads. */
async function playwrightChromium(runtime) {
  const source = "process.stdout.write((await import('playwright-core')).chromium.executablePath())";
  const { ok, output } = await run(runtime, ['--input-type=module', '--eval', source]);
  return ok ? output : undefined;
}

async function getChromium(runtime) {
  if (await installFromDebian('chromium')) return findChromium(runtime);
  say('Downloading Chromium (a few minutes) …');
  await run(runtime, [inRoot('node_modules', 'playwright-core', 'cli.js'), 'install', 'chromium'], {
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  return findChromium(runtime);
}

async function findPostgresql(runtime) {
  const source =
    "process.exitCode = (await import('./packages/test-database/dist/index.js')).postgresqlPrograms() ? 0 : 1";
  return (await run(runtime, ['--input-type=module', '--eval', source])).ok;
}

async function getPostgresql(runtime) {
  return (await installFromDebian('postgresql')) && (await findPostgresql(runtime));
}

/** Whether a program of Debian's package of the same name is on the search path, or where `variable` says, or now is. */
async function findOrInstall(name, variable) {
  const given = variable && process.env[variable];
  if (given && !isExecutable(given)) throw new Problem(`${variable} does not name a program. Set it, or unset it.`);
  const isHere = () => (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, name)));
  return Boolean(given) || isHere() || ((await installFromDebian(name)) && isHere());
}

/** Installs a Debian package where this machine has apt and we may; says whether it did. */
async function installFromDebian(name) {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  say(`Installing Debian's ${name} (a minute or two) …`);
  const options = { env: { DEBIAN_FRONTEND: 'noninteractive' }, timeoutMs: DOWNLOAD_TIMEOUT_MS };
  await run('apt-get', ['update'], options); // Its failure shows in the next step, if it matters.
  const { ok, output } = await run('apt-get', ['install', '-y', '--no-install-recommends', name], options);
  if (!ok) say(`That failed: ${output.split('\n').at(-1)}`);
  return ok;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
