/**
 * Secrets are kept from the process that has no use for them; each name also ends the names of its `_FILE` form. The
 * MCP server's own client secret goes to both: one proves with it who it is, the other one checks that.
 */
const AUTHORIZATION_SERVER_SECRETS =
  /^(PORTCULLIS_MASTER_KEY(_PREVIOUS)?|DATABASE_URL|PORTCULLIS_MIGRATE_DATABASE_URL)(_FILE)?$|^PORTCULLIS_(ADMIN|UPSTREAM)_/;
const MCP_SERVER_SECRETS = /^PORTCULLIS_MCP_((ANALYTICS_)?DATABASE_URL|TOKEN)(_FILE)?$/;

/**
 * The environment in which an address follows its port, where only the port is set: on this machine no proxy stands
 * between the two, and with the address of another port the servers would wait for each other for ever.
 */
export function withAddresses(env) {
  const localhost = (port, path = '') =>
    /^[1-9]\d*$/.test(port ?? '') && Number(port) <= 65535 ? `http://localhost:${port}${path}` : undefined;
  const addresses = {
    PORTCULLIS_ISSUER: env.PORTCULLIS_ISSUER || localhost(env.PORTCULLIS_PORT),
    PORTCULLIS_MCP_URL: env.PORTCULLIS_MCP_URL || localhost(env.PORTCULLIS_MCP_PORT, '/mcp'),
  };
  return { ...env, ...Object.fromEntries(Object.entries(addresses).filter(([, address]) => address !== undefined)) };
}

/**
 * The environment in which memory that was freed is found again: else each thread that hashes a password keeps what one
 * hash takes, 19 MB.
 */
export function withFewArenas(env) {
  return { MALLOC_ARENA_MAX: '2', ...env };
}

/** The environment in which `--split` makes both servers see the desk as two resources. */
export function withSplit(env, args) {
  return args.includes('--split') ? { ...env, PORTCULLIS_MCP_SPLIT: 'on' } : env;
}

/** The authorization server as a process: what to run, with which environment, and where it answers. */
export function authorizationServer(env) {
  return {
    name: 'authorization server',
    program: 'apps/authorization-server/dist/main.js',
    env: without(MCP_SERVER_SECRETS, env),
    readyUrl: readyUrl(env.PORTCULLIS_HOST, env.PORTCULLIS_PORT || '4000'),
    url: env.PORTCULLIS_ISSUER || 'http://localhost:4000',
  };
}

/** The MCP server as a process. */
export function mcpServer(env) {
  return {
    name: 'MCP server',
    program: 'apps/mcp-server/dist/main.js',
    env: without(AUTHORIZATION_SERVER_SECRETS, env),
    readyUrl: readyUrl(env.PORTCULLIS_MCP_HOST, env.PORTCULLIS_MCP_PORT || '4001'),
    url: env.PORTCULLIS_MCP_URL || 'http://localhost:4001/mcp',
  };
}

const without = (names, env) => Object.fromEntries(Object.entries(env).filter(([name]) => !names.test(name)));

/** A server that listens everywhere answers on loopback too; the port that the system chooses for 0 is not known here. */
function readyUrl(host, port) {
  if (port === '0') return undefined;
  if (!host || host === '0.0.0.0') return `http://127.0.0.1:${port}/readyz`;
  if (host === '::') return `http://[::1]:${port}/readyz`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/readyz`;
}
