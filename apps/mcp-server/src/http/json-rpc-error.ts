/** JSON-RPC's own error codes, as far as this server answers with them itself. */
export const JSON_RPC_ERROR = {
  parseError: -32700,
  invalidRequest: -32600,
  internalError: -32603,
} as const;

/** What to say, and where the operator finds more. */
export type JsonRpcErrorParts = {
  code: (typeof JSON_RPC_ERROR)[keyof typeof JSON_RPC_ERROR];
  message: string;
  correlationId: string;
};

/** The body of an answer to a request whose id is not known. */
export function jsonRpcError({ code, message, correlationId }: JsonRpcErrorParts) {
  return { jsonrpc: '2.0', id: null, error: { code, message, data: { correlationId } } } as const;
}
