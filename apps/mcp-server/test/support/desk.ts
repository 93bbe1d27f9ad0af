import { findFreePort } from '@portcullis/test-database';
import type { JWTPayload } from 'jose';
import type { Config } from '../../src/config.ts';
import { DEFAULT_LIMITS } from '../../src/policy/limits.ts';
import { createMcpServer, type McpServerDeps } from '../../src/server.ts';
import { emptyDatabase } from './databases.ts';
import { startIssuer, type TestIssuer } from './issuer.ts';
import { silentLogger } from './silent-logger.ts';

/** A whole MCP server with an issuer of its own. */
export type TestDesk = {
  url: string;
  config: Config;
  issuer: TestIssuer;
  /** A token of `scope` for this server; the user is an agent unless `claims` say otherwise. */
  token(scope: string, claims?: JWTPayload): Promise<string>;
  close(): Promise<void>;
};

/** Starts a server in this process on a free port, with an empty database of the project's kind. */
export async function startDesk(
  options: { deps?: Partial<McpServerDeps>; config?: Partial<Config>; withAnalyticsRole?: boolean } = {},
): Promise<TestDesk> {
  const database = await emptyDatabase({ withAnalyticsRole: options.withAnalyticsRole ?? false });
  const issuer = await startIssuer();
  const port = await findFreePort();
  const config: Config = {
    issuer: issuer.url,
    mcpUrl: `http://127.0.0.1:${port}/mcp`,
    host: '127.0.0.1',
    port,
    dataDir: database.dataDir,
    drainSeconds: 0,
    databaseUrl: database.databaseUrl,
    analyticsDatabaseUrl: database.analyticsDatabaseUrl,
    analyticsTimeoutSeconds: 1,
    split: false,
    allowedOrigins: [],
    proofOfPossession: undefined,
    certificateProxy: undefined,
    trustedProxies: 0,
    clientSecret: undefined,
    clientId: 'mcp-server',
    whenFeedIsDown: 'fail-closed-after',
    failClosedAfterSeconds: 60,
    metrics: undefined,
    tracing: undefined,
    limits: DEFAULT_LIMITS,
    confirmation: 'client',
    upstream: undefined,
    logLevel: 'silent',
    ...options.config,
  };
  const release = async () => {
    await issuer.close();
    await database.drop();
  };
  const deps = { logger: silentLogger, now: () => new Date(), ...options.deps };
  const server = await createMcpServer(config, deps).catch(async (cause: unknown) => {
    await release();
    throw cause;
  });
  return {
    url: config.mcpUrl,
    config,
    issuer,
    token: (scope, claims) => issuer.token(config.mcpUrl, { scope, roles: ['agent'], ...claims }),
    async close() {
      await server.close();
      await release();
    },
  };
}
