/** The `code` of a system error, such as `ENOENT`; `undefined` for anything else. */
export function errorCode(cause: unknown): string | undefined {
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
