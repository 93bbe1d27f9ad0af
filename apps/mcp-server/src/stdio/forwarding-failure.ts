import { InsufficientScopeError, isJSONRPCErrorResponse, SdkHttpError } from '@modelcontextprotocol/client';

/** What a client is told of a message that could not be forwarded, or that the MCP server refused. */
export type ForwardingFailure = { code: number; message: string; data?: unknown };

const FAILED = -32000;

/**
 * Puts a failure into words for the person at the client. Where the server itself answered with a JSON-RPC error, that
 * is passed on; nothing else of what it said is.
 */
export function forwardingFailure(cause: unknown): ForwardingFailure {
  if (cause instanceof InsufficientScopeError) {
    const scope = cause.requiredScope ? `: it needs ${cause.requiredScope}` : '';
    return failed(`The personal access token does not allow this${scope}. Make one that does on your account page.`);
  }
  if (!(cause instanceof SdkHttpError)) {
    return failed('The MCP server was not reached. Check that it runs, and PORTCULLIS_MCP_URL.');
  }
  switch (cause.data.status) {
    case 401:
      return failed(
        'The personal access token was refused: it was revoked, has expired, or is for another server. Make another one on your account page.',
      );
    case 503:
      return failed('The MCP server cannot check the personal access token at the moment. Try again soon.');
    default:
      return errorWithin(cause.data.text) ?? failed(`The MCP server refused this, with status ${cause.data.status}.`);
  }
}

function failed(message: string): ForwardingFailure {
  return { code: FAILED, message };
}

function errorWithin(text: unknown): ForwardingFailure | undefined {
  try {
    const body: unknown = JSON.parse(String(text));
    return isJSONRPCErrorResponse(body) ? body.error : undefined;
  } catch {
    return undefined;
  }
}
