import type { EnvironmentReader } from './environment.ts';

/** The header in which a TLS proxy passes the certificate of its client, and the addresses that it connects from. */
type CertificateProxy = Readonly<{ header: string; proxies: readonly string[] }>;

const HEADER = 'PORTCULLIS_CLIENT_CERTIFICATE_HEADER';
const PROXIES = 'PORTCULLIS_CLIENT_CERTIFICATE_PROXIES';

/**
 * Reads how client certificates come in; undefined where none do. `judge` says what is wrong with the two settings.
 *
 * Every client can send a header. So it is refused where no proxy is said to stand in front, and where nobody says
 * which connections are the proxy's.
 */
export function readCertificateProxy(
  reader: EnvironmentReader,
  judge: (proxy: CertificateProxy) => readonly string[],
): CertificateProxy | undefined {
  const header = reader.optional(HEADER);
  const proxies = reader
    .string(PROXIES, '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  if (header === undefined) {
    if (proxies.length > 0) reader.problem(`${PROXIES} is of no use without ${HEADER}.`);
    return undefined;
  }
  if (reader.integer('PORTCULLIS_TRUST_PROXY', { fallback: 0, min: 0, max: 10 }) === 0) {
    reader.problem(
      `${HEADER} needs a TLS proxy in front that sets it: any client could send it otherwise. Say so with PORTCULLIS_TRUST_PROXY.`,
    );
  }
  const proxy = Object.freeze({ header, proxies });
  for (const problem of judge(proxy)) reader.problem(`${HEADER} with ${PROXIES} cannot be used: ${problem}.`);
  return proxy;
}
