/** JSON-RPC's own error codes, as far as this server answers with them itself. */
export const JSON_RPC_ERROR = {
  parseError: -32700,
  invalidRequest: -32600,
  internalError: -32603,
  /** Of the range that JSON-RPC leaves to servers and MCP has not taken. */
  limitExceeded: -32010,
} as const;

/** What to say, and where the operator finds more. */
export type JsonRpcErrorParts = {
  code: (typeof JSON_RPC_ERROR)[keyof typeof JSON_RPC_ERROR];
  message: string;
  correlationId: string;
  /** The request's id; absent where it is not known. */
  id?: string | number;
  /** What a program may want to know besides. */
  data?: Readonly<Record<string, unknown>>;
};

/** The body of an answer that is an error. */
export function jsonRpcError({ code, message, correlationId, id, data }: JsonRpcErrorParts) {
  return { jsonrpc: '2.0', id: id ?? null, error: { code, message, data: { ...data, correlationId } } } as const;
}
