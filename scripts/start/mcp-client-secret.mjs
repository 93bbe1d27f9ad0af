import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Problem } from '../prepare/step.mjs';

const NAME = 'PORTCULLIS_MCP_CLIENT_SECRET';

/**
 * The environment with a secret by which the MCP server proves to the authorization server who it is. Where none is
 * set, one is made in the data folder, readable by its owner alone, and is the same at every start.
 */
export function withMcpClientSecret(env, root) {
  if (env[NAME] || env[`${NAME}_FILE`]) return env;
  const folder = resolve(root, env.PORTCULLIS_DATA_DIR || 'data');
  const file = join(folder, 'mcp-client-secret');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    makeSecret(file);
  } catch ({ code }) {
    throw new Problem(
      `The data folder ${folder} cannot be used (${code}). Make it a folder that can be written into, or set PORTCULLIS_DATA_DIR to another one.`,
    );
  }
  return { ...env, [`${NAME}_FILE`]: file };
}

function makeSecret(file) {
  try {
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    if (cause.code !== 'EEXIST') throw cause;
  }
}
