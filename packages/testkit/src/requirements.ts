/** A rule of the MCP specification for protected servers, in our words. */
type Requirement = Readonly<{
  /** `RS-`: authorization, resource server. `TR-`: transport. */
  id: string;
  /** Whose it is: the guard's, with a test of its own there, or the MCP server's behind it. */
  of: 'guard' | 'server';
  says: string;
}>;

/** Every RS- and TR- requirement. Those of the guard each have a test in `packages/guard/test` with the id in its title. */
export const requirements: readonly Requirement[] = [
  { id: 'RS-1', of: 'guard', says: 'Protected-resource metadata is published.' },
  { id: 'RS-2', of: 'guard', says: 'The metadata names at least one authorization server.' },
  {
    id: 'RS-3',
    of: 'guard',
    says: '`resource` is the canonical URL of the MCP server, without a trailing slash of ours.',
  },
  { id: 'RS-4', of: 'guard', says: 'The metadata is found through the 401 challenge and at its well-known address.' },
  { id: 'RS-5', of: 'guard', says: 'The well-known address has the path inserted; the root has the same document.' },
  { id: 'RS-6', of: 'guard', says: '`scopes_supported` is the smallest set of use, not the catalogue.' },
  { id: 'RS-7', of: 'guard', says: '`offline_access` is neither in the metadata nor in a challenge.' },
  { id: 'RS-8', of: 'guard', says: 'Authorization servers that are listed are independent; the guard lists its one.' },
  { id: 'RS-9', of: 'guard', says: 'The metadata can be read from every origin, as JSON, without a redirect.' },
  { id: 'RS-10', of: 'guard', says: 'No token, or one that is invalid, expired or foreign, gets 401.' },
  { id: 'RS-11', of: 'guard', says: 'A 401 has a challenge of quoted parameters, each once.' },
  { id: 'RS-12', of: 'guard', says: 'The challenge leads to the metadata.' },
  { id: 'RS-13', of: 'guard', says: 'The challenge names the scopes to ask for.' },
  {
    id: 'RS-14',
    of: 'guard',
    says: 'Without credentials the challenge has no `error`; with a bad token it is `invalid_token`.',
  },
  { id: 'RS-15', of: 'guard', says: 'Pages in a browser may ask first without a token, and can read the challenge.' },
  { id: 'RS-16', of: 'guard', says: '`Bearer` is the first challenge.' },
  { id: 'RS-17', of: 'guard', says: 'Too little permission gets 403, a malformed request 400.' },
  { id: 'RS-18', of: 'guard', says: 'The 403 says `insufficient_scope`, which scopes, and where the metadata is.' },
  { id: 'RS-19', of: 'guard', says: 'A challenge names all scopes of the operation at once.' },
  { id: 'RS-20', of: 'guard', says: 'Challenges follow one strategy: what the operation needs, and the baseline.' },
  { id: 'RS-21', of: 'guard', says: 'Broader scopes that imply narrower ones count.' },
  { id: 'RS-22', of: 'guard', says: 'No scope stands for everything.' },
  { id: 'RS-23', of: 'guard', says: 'A token is judged by its end, its audience, its scopes and more.' },
  { id: 'RS-24', of: 'guard', says: 'A token was issued for this very server.' },
  { id: 'RS-25', of: 'guard', says: 'No other token is taken, and none is handed on.' },
  { id: 'RS-26', of: 'guard', says: 'Every request is judged by its own token, whatever came before.' },
  { id: 'RS-27', of: 'guard', says: 'A token in the query is refused.' },
  { id: 'RS-28', of: 'guard', says: 'Nothing is processed or told before the caller is known.' },
  {
    id: 'RS-29',
    of: 'server',
    says: "Handles of state are the server's: it binds them to the principal that the guard gives it.",
  },
  { id: 'RS-30', of: 'server', says: '`requestState` is written and read by the server.' },
  {
    id: 'RS-31',
    of: 'server',
    says: "How long a result may be cached is the server's to say; the guard changes lists only by leaving out.",
  },
  { id: 'RS-32', of: 'guard', says: 'Lists differ by the authorization of the request alone.' },
  { id: 'RS-33', of: 'server', says: "Elicitation is the server's." },
  { id: 'RS-34', of: 'guard', says: 'No header decides what is allowed.' },
  { id: 'RS-35', of: 'guard', says: 'What a client says of itself decides nothing.' },
  { id: 'TR-1', of: 'guard', says: '`Origin` is checked on every request; a foreign one gets 403.' },
  { id: 'TR-2', of: 'server', says: 'Where to listen is decided by whoever starts the server.' },
  { id: 'TR-3', of: 'guard', says: 'Every connection is authenticated.' },
  { id: 'TR-4', of: 'guard', says: '`Host` is checked; a foreign one gets 403.' },
  { id: 'TR-5', of: 'guard', says: 'A message is the body of a POST to the one endpoint.' },
  { id: 'TR-6', of: 'guard', says: 'Another media type gets 415, too large a body 413.' },
  { id: 'TR-7', of: 'guard', says: 'Streams tell proxies not to keep them back.' },
  { id: 'TR-8', of: 'server', says: 'What 2026-07-28 has removed.' },
  { id: 'TR-9', of: 'server', says: '`_meta` of each request.' },
  { id: 'TR-10', of: 'server', says: 'The version header and `_meta` agree.' },
  { id: 'TR-11', of: 'server', says: 'Unsupported versions.' },
  {
    id: 'TR-12',
    of: 'guard',
    says: "Headers that repeat the body are never believed; that they agree is the server's to check.",
  },
  { id: 'TR-13', of: 'server', says: '`Mcp-Param-*` agree with the arguments.' },
  { id: 'TR-14', of: 'guard', says: 'An unknown method gets 404 and -32601 in 2026-07-28.' },
  { id: 'TR-15', of: 'server', says: 'Capabilities that a client lacks.' },
  { id: 'TR-16', of: 'server', says: '`server/discover`.' },
  { id: 'TR-17', of: 'server', says: '`resultType`.' },
  { id: 'TR-18', of: 'server', says: 'No reliance on earlier requests.' },
  { id: 'TR-19', of: 'server', says: 'What stands on a stream.' },
  { id: 'TR-20', of: 'guard', says: 'GET and DELETE reach the server, which answers 405 where it has no sessions.' },
  { id: 'TR-21', of: 'guard', says: 'Both eras are served on one endpoint.' },
  { id: 'TR-22', of: 'guard', says: '401 and 403 do not depend on the version.' },
  { id: 'TR-23', of: 'server', says: 'Sessions are optional.' },
  { id: 'TR-24', of: 'server', says: 'Session ids authenticate nobody; the guard looks at none (RS-26).' },
  { id: 'TR-25', of: 'server', says: 'Unknown sessions.' },
  { id: 'TR-26', of: 'server', says: 'Unsupported versions of older revisions.' },
  { id: 'TR-27', of: 'guard', says: 'Batches, of 2025-03-26 alone, are refused whole.' },
  { id: 'TR-28', of: 'server', says: 'The transport of 2024-11-05 is not adopted.' },
];

/** Every rule that the tests are numbered by; in our words each of the others stands where it is shown. */
export const RULES: readonly string[] = [
  ...requirements.map(({ id }) => id),
  ...numbered('AS', 45),
  ...numbered('CL', 23),
  ...numbered('PX', 16),
  ...numbered('EX', 13),
  ...numbered('SP', 42),
  'SP-39a',
];

/** Rules that no test shows, because there is nothing of ours that they are about. */
export const NOT_OURS: Readonly<Record<string, string>> = {
  'PX-16': 'Nothing here starts MCP servers for somebody, over stdio or otherwise.',
  'SP-36':
    'There is no gateway: the MCP server offers its own tools, and passes on the definitions of no other server.',
};

function numbered(prefix: string, last: number): string[] {
  return Array.from({ length: last }, (_, index) => `${prefix}-${index + 1}`);
}
