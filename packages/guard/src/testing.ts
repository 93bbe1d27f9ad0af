import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { wellKnownUrl } from './web-address.ts';

/** Claims and header of a test token that differ from a good one; a member of undefined is left out. */
export type TestTokenChanges = Readonly<{
  claims?: Readonly<Record<string, unknown>>;
  header?: Readonly<Record<string, unknown>>;
}>;

/** An authorization server in this process, as far as a guard sees one. */
export type TestIssuer = Readonly<{
  /** Its identifier, for the `issuer` of the guard. Nothing listens there: a name that can never be registered. */
  issuer: string;
  /** For the `fetch` of the guard: answers metadata and keys of this issuer, and nothing else. */
  fetch: typeof globalThis.fetch;
  /**
   * Signs an access token for `resource`, good for five minutes from `now` on.
   *
   * @param changes such as `{ claims: { scope: 'desk:read', sub: 'user-7' } }`, or what a test wants to be wrong
   */
  token(resource: string, changes?: TestTokenChanges): Promise<string>;
  /** Signs with a new key from now on and no longer publishes the old one. A guard asks again when its time has come. */
  rotateKey(): Promise<void>;
}>;

/**
 * Makes an issuer for the tests of a protected server: no sockets, no set-up. Its keys are made anew each time and never
 * leave the process, and its identifier is under `.invalid`, so that no guard with a real issuer takes its tokens.
 *
 * @param options.now the clock that tokens are issued by. Default: the system's
 */
export async function createTestIssuer({ now = () => new Date() }: { now?: () => Date } = {}): Promise<TestIssuer> {
  const issuer = 'https://test-issuer.invalid';
  let key = await createKey();
  const documents = (): ReadonlyMap<string, unknown> =>
    new Map<string, unknown>([
      [wellKnownUrl(issuer, 'oauth-authorization-server'), { issuer, jwks_uri: `${issuer}/jwks` }],
      [`${issuer}/jwks`, { keys: [key.publicJwk] }],
    ]);

  return Object.freeze({
    issuer,
    async fetch(input: string | URL | Request) {
      const document = documents().get(input instanceof Request ? input.url : String(input));
      return document === undefined ? new Response(null, { status: 404 }) : Response.json(document);
    },
    async token(resource: string, { claims, header }: TestTokenChanges = {}) {
      const issuedAt = Math.floor(now().getTime() / 1000);
      const good = {
        iss: issuer,
        aud: resource,
        sub: 'test-user',
        client_id: 'test-client',
        gid: 'test-grant',
        jti: crypto.randomUUID(),
        iat: issuedAt,
        exp: issuedAt + 300,
      };
      return new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header })
        .sign(key.privateKey);
    },
    async rotateKey() {
      key = await createKey();
    },
  });
}

async function createKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const kid = crypto.randomUUID();
  const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  return { kid, privateKey, publicJwk };
}
