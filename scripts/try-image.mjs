// Does what the Dockerfile says in an empty folder, without a container engine, and starts both servers from what came
// out of it: npm run try-image. Needs the Node.js that the image has, and takes some minutes.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { stagesOf } from './image/dockerfile.mjs';

const root = join(import.meta.dirname, '..');
const say = (line) => process.stdout.write(`${line}\n`);

/** What is left out of the build's context: .dockerignore, of which this understands what stands in it. */
const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
const isIgnored = (path) =>
  ignored.some((rule) => {
    if (rule.startsWith('**/'))
      return path === rule.slice(3) || path.endsWith(rule.slice(2)) || path.includes(`/${rule.slice(3)}/`);
    if (rule.startsWith('*')) return !path.includes('/') && path.endsWith(rule.slice(1));
    return path === rule || path.startsWith(`${rule}/`);
  });

/** A stage as a folder that stands in for its file system. */
function build(stage, { folder, images }) {
  let at = '/';
  const env = {};
  const inside = (path) => join(folder, resolve(at, path));
  mkdirSync(folder, { recursive: true });
  for (const { keyword, rest } of stage.instructions) {
    switch (keyword) {
      case 'WORKDIR':
        at = resolve(at, rest);
        mkdirSync(inside('.'), { recursive: true });
        break;
      case 'ENV': {
        const [name, value] = rest.split('=', 2);
        env[name] = value;
        break;
      }
      case 'COPY':
        copy(rest, { images, inside });
        break;
      case 'RUN':
        say(`  ${rest}`);
        execute(rest, { folder, cwd: inside('.'), env });
        break;
      case 'CMD':
      case 'HEALTHCHECK':
      case 'USER':
      case 'VOLUME':
        break;
      default:
        throw new Error(`${keyword} is not understood here`);
    }
  }
  return { folder, at, env };
}

function copy(rest, { images, inside }) {
  const [, from, source, target] = /^(?:--from=(\S+)\s+)?(\S+)\s+(\S+)$/.exec(rest) ?? [];
  if (source === undefined) throw new Error(`COPY ${rest} is not understood here`);
  const path = from === undefined ? join(root, source) : join(images.get(from).folder, source);
  const filter = (each) => from !== undefined || each === root || !isIgnored(each.slice(root.length + 1));
  const to =
    existsSync(inside(target)) && target.endsWith('/') && source !== '.'
      ? join(inside(target), basename(source))
      : inside(target);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(path, to, { recursive: true, filter, verbatimSymlinks: true });
}

/** Paths from the image's root become paths in the folder; its users are not here. */
function execute(command, { folder, cwd, env }) {
  const here = command.replaceAll(/ --(owner|group)=node/g, '').replaceAll(/(?<= )\/data\b/g, join(folder, 'data'));
  const { status } = spawnSync('bash', ['-euc', here], {
    cwd,
    env: { PATH: pathWithNode(), HOME: process.env.HOME, TURBO_TELEMETRY_DISABLED: '1', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`that ended with ${status}`);
}

const pathWithNode = () => `${dirname(process.execPath)}:${process.env.PATH}`;

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return String(port);
}

/** Stands in for the image's user where we are root: to somebody else what root has written is read-only. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

/** Starts both servers as the image does, and waits until they are ready. */
async function start({ folder, at, env }) {
  if (NOBODY) chownSync(join(folder, 'data'), NOBODY.uid, NOBODY.gid);
  const [port, mcpPort] = [await freePort(), await freePort()];
  const shared = {
    ...env,
    PATH: pathWithNode(),
    PORTCULLIS_DATA_DIR: join(folder, 'data'),
    PORTCULLIS_ISSUER: `http://localhost:${port}`,
    PORTCULLIS_MCP_URL: `http://localhost:${mcpPort}/mcp`,
    PORTCULLIS_PORT: port,
    PORTCULLIS_MCP_PORT: mcpPort,
    LOG_LEVEL: 'warn',
  };
  const servers = ['authorization-server', 'mcp-server'].map((name) =>
    spawn(process.execPath, [`apps/${name}/dist/main.js`], {
      ...{ cwd: join(folder, at), env: shared, stdio: ['ignore', 'ignore', 'inherit'] },
      ...NOBODY,
    }),
  );
  try {
    for (const each of [port, mcpPort]) await untilReady(`http://127.0.0.1:${each}/readyz`);
  } finally {
    for (const server of servers) server.kill();
    await Promise.all(
      servers.map((server) => new Promise((done) => (server.exitCode === null ? server.once('exit', done) : done()))),
    );
  }
}

async function untilReady(url) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ready = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return say(`  ${url} says that it is ready`);
    if (Date.now() > deadline) throw new Error(`${url} does not say that it is ready`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

const work = mkdtempSync(join(tmpdir(), 'portcullis-image-'));
chmodSync(work, 0o755);
try {
  const images = new Map();
  let last;
  for (const [index, stage] of stagesOf(readFileSync(join(root, 'Dockerfile'), 'utf8')).entries()) {
    say(`${stage.base}${stage.name ? ` as ${stage.name}` : ''}`);
    last = build(stage, { folder: join(work, String(index)), images });
    if (stage.name) images.set(stage.name, last);
  }
  const { stdout } = spawnSync('du', ['-sh', last.folder], { encoding: 'utf8' });
  say(`What the image adds to its base: ${stdout.split('\t')[0]}`);
  await start(last);
} catch (cause) {
  process.stderr.write(`${cause.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
