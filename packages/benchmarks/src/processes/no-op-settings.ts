/** What stands in front of an MCP server that does nothing. */
export type Protection =
  | 'none, SDK adapter'
  | 'none, guard adapter'
  | 'guard'
  | 'requireBearerAuth with jose'
  | 'introspection';

/** How such a server is started. */
export type NoOpSettings = {
  protection: Protection;
  issuer: string;
  resource: string;
  /** What its tool asks for. */
  scopes: readonly string[];
  /** Who it is at the issuer. */
  client: { clientId: string; clientSecret: string };
};

/** What it says when it listens. */
export type NoOpReady = { port: number };
