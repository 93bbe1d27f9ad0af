/** Loopback redirect URIs; a native client may use any port on them (RFC 8252 §7.3). */
const LOOPBACK_CALLBACKS = ['http://localhost/callback', 'http://127.0.0.1/callback'];

/** Documents of well-known clients, in our words: what is needed of them to sign in. */
const DOCUMENTS: Readonly<Record<string, object>> = {
  'https://claude.ai/oauth/claude-code-client-metadata': {
    client_name: 'Claude Code',
    redirect_uris: LOOPBACK_CALLBACKS,
    token_endpoint_auth_method: 'none',
  },
  'https://claude.ai/oauth/mcp-oauth-client-metadata': {
    client_name: 'Claude',
    redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
    token_endpoint_auth_method: 'none',
  },
  'https://chatgpt.com/oauth/client.json': chatGpt('https://chatgpt.com/connector_platform_oauth_redirect'),
  'https://chatgpt.com/oauth/codex/client.json': {
    client_name: 'Codex',
    redirect_uris: LOOPBACK_CALLBACKS,
    token_endpoint_auth_method: 'none',
  },
  'https://github.com/copilot/cli/client-metadata.json': {
    client_name: 'GitHub Copilot CLI',
    redirect_uris: ['http://127.0.0.1:33418/'],
    token_endpoint_auth_method: 'none',
  },
  'https://vscode.dev/oauth/client-metadata.json': {
    client_name: 'Visual Studio Code',
    redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
    token_endpoint_auth_method: 'none',
  },
};

/**
 * The document that stands in for one that cannot be fetched, for clients whose origins turn data centres away. It is
 * ours: what it lists was seen of the client, and leads to its own hosts or to the user's own computer.
 */
export function knownDocument(clientId: string): string | undefined {
  const document = Object.hasOwn(DOCUMENTS, clientId) ? DOCUMENTS[clientId] : chatGptConnector(clientId);
  return document && JSON.stringify({ client_id: clientId, ...document });
}

/** Each connector of ChatGPT has a document of its own, with its id in the path. */
function chatGptConnector(clientId: string): object | undefined {
  const [, id] = /^https:\/\/chatgpt\.com\/oauth\/([A-Za-z0-9_-]{1,64})\/client\.json$/.exec(clientId) ?? [];
  return id === undefined
    ? undefined
    : chatGpt('https://chatgpt.com/connector_platform_oauth_redirect', `https://chatgpt.com/connector/oauth/${id}`);
}

function chatGpt(...redirectUris: string[]): object {
  return {
    client_name: 'ChatGPT',
    redirect_uris: redirectUris,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    token_endpoint_auth_signing_alg: 'RS256',
    jwks_uri: 'https://chatgpt.com/oauth/jwks.json',
  };
}
