/** What a tool answered, in the parts that tests look at. */
export type ToolAnswer = { isError: boolean; text: string; structured: unknown };

/** An application that uses an MCP server through one of the SDKs, and signs in through a browser. */
export type ClientApplication = {
  /** Which SDK and mode it is. */
  name: string;
  redirectUri: string;
  /** Connects; where the server asks for it, opens the browser, finishes the sign-in and connects again. */
  connect(): Promise<void>;
  listTools(): Promise<string[]>;
  callTool(name: string, args?: Record<string, unknown>): Promise<ToolAnswer>;
  /** Makes the stored access token worthless, as if it had expired: the next call has to refresh. */
  spoilAccessToken(): void;
  /** Everything the application was given or made up, oldest first. */
  stored: SignInRecord;
  close(): Promise<void>;
};

/** Tokens as RFC 6749 names them. */
export type TokenSet = { access_token: string; refresh_token?: string | undefined; scope?: string | undefined };

/** What an application remembers of its sign-ins. */
export type SignInRecord = {
  clientInformation: { client_id: string; client_secret?: string | undefined }[];
  tokens: TokenSet[];
  codes: string[];
  codeVerifiers: string[];
  authorizationUrls: URL[];
};

/** How an application behaves. */
export type ClientOptions = {
  mcpUrl: string;
  /** Takes the authorization URL to a browser; resolves when the person is done. */
  openInBrowser(url: URL): Promise<unknown>;
  clientName?: string;
  /** Put over the registration metadata. */
  metadata?: Record<string, unknown>;
  /** The URL of a metadata document with which the application names itself, where the server takes that. */
  clientMetadataUrl?: string;
  /** `localhost` by default. */
  callbackHost?: 'localhost' | '127.0.0.1';
};

/** Every bearer value and secret of a record: what must never be found in a database or a log. */
export function secretsOf(record: SignInRecord): string[] {
  return [
    ...record.clientInformation.flatMap(({ client_secret }) => client_secret ?? []),
    ...record.tokens.flatMap(({ access_token, refresh_token }) => [access_token, refresh_token ?? []].flat()),
    ...record.codes,
    ...record.codeVerifiers,
  ];
}

/** Picks the parts of a tool's result that tests look at. */
export function toolAnswer(result: Record<string, unknown>): ToolAnswer {
  const content: unknown[] = Array.isArray(result.content) ? result.content : [];
  const lines = content.flatMap((part) => (isTextPart(part) ? part.text : []));
  return { isError: result.isError === true, text: lines.join('\n'), structured: result.structuredContent };
}

function isTextPart(part: unknown): part is { text: string } {
  return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string';
}
