/** How a client comes by its client id (CL-4). */
export type WayIn =
  /** It names itself by the URL of a metadata document; `document` is what stands there. */
  | { kind: 'metadata document'; clientId: string; document: Readonly<Record<string, unknown>> }
  /** It registers by itself, with `metadata`. */
  | { kind: 'registration'; metadata: Readonly<Record<string, unknown>> }
  /** A person types in the id (and secret) of a client that an administrator registered. */
  | { kind: 'given id'; redirectUris: readonly string[] };

/**
 * What one client sends from the challenge to the refresh. In its texts `{port}` stands for a loopback port, another one
 * at each use, and `{scope}` for the scopes that it is about to ask for.
 */
export type RecordedShape = {
  wayIn: WayIn;
  /** Where the client is called back at; each one is a sign-in of its own. */
  redirectUris: readonly string[];
  /** `challenged` is CL-12; some ask for every scope that the authorization server lists, whatever the challenge says. */
  scope: 'challenged' | 'all that are listed';
  /** Asked for beside that. */
  extraScopes?: readonly string[];
  /** The parameter `prompt`, where it is sent. */
  prompt?: string;
  /** The requests that carry `resource`, spelt as the resource metadata spells it (CL-8). */
  resourceIn: readonly ('authorization' | 'token' | 'refresh')[];
  authentication: 'none' | 'client_secret_post' | 'private_key_jwt';
  /** Whether the refresh repeats the granted scope. */
  refreshRepeatsScope: boolean;
  /** The method of the first, anonymous call of the MCP server. */
  probe: 'GET' | 'HEAD' | 'POST';
  /** The header that MCP requests carry once the session has begun. */
  protocolVersion: string;
  /** Undefined where nobody wrote it down. */
  userAgent?: string;
  /** `refused` where the client's request disagrees with its own document, so that a server must not let it in. */
  outcome: 'works' | 'refused';
};

/** A client as it was seen, in data; docs/clients.md has a line for each. */
export type RecordedClient = {
  name: string;
  /** Numbers of what is asked of this server because of it. */
  requirements: string;
  /** The version, or the month of the reports. */
  recorded: string;
  /** Who saw it. */
  source: string;
  /** Whether the real program signs in here too: in the tests, or by hand on a day. */
  driven?: { how: 'in the tests' } | { how: 'by hand'; on: string };
  /** The one that it takes at this server first. */
  shapes: readonly [RecordedShape, ...RecordedShape[]];
};

/** Metadata members that nearly every client registers with or publishes. */
export const PUBLIC_CODE_CLIENT = {
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
} as const;

/** What most clients do after the registration. */
export const USUAL = {
  scope: 'challenged',
  resourceIn: ['authorization', 'token', 'refresh'],
  authentication: 'none',
  refreshRepeatsScope: false,
  probe: 'POST',
  protocolVersion: '2025-11-25',
  outcome: 'works',
} as const satisfies Partial<RecordedShape>;
