import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const NAME = 'PORTCULLIS_MCP_CLIENT_SECRET';

/**
 * The environment with a secret by which the MCP server proves to the authorization server who it is. Where none is
 * set, one is made in the data folder, readable by its owner alone, and is the same at every start.
 */
export function withMcpClientSecret(env, root) {
  if (env[NAME] || env[`${NAME}_FILE`]) return env;
  const folder = resolve(root, env.PORTCULLIS_DATA_DIR || 'data');
  const file = join(folder, 'mcp-client-secret');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    if (cause.code !== 'EEXIST') throw cause;
  }
  return { ...env, [`${NAME}_FILE`]: file };
}
