import { X509Certificate } from 'node:crypto';

const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of authorities in a PEM file; undefined when there are none, or one that is no authority's. */
export function readAuthorities(pem: string): X509Certificate[] | undefined {
  const certificates = (pem.match(PEM) ?? []).map((text) => readCertificate(text));
  const authorities = certificates.filter((certificate) => certificate?.ca === true);
  return authorities.length > 0 && authorities.length === certificates.length
    ? authorities.filter((certificate) => certificate !== undefined)
    : undefined;
}

/** A certificate in PEM or DER; undefined when it is none. */
export function readCertificate(certificate: string | Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}

/**
 * Whether one of the authorities issued a certificate that is valid now, and that may be used by clients.
 *
 * It has to be issued by a listed authority itself, an intermediate one has to be listed. Not checked: whether it was
 * revoked, which the proxy knows.
 */
export function isVouchedFor(
  certificate: X509Certificate,
  { authorities, now }: { authorities: readonly X509Certificate[]; now: Date },
): boolean {
  if (!isValid(certificate, now) || !isForClients(certificate)) return false;
  return authorities.some(
    (authority) =>
      isValid(authority, now) && certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
  );
}

function isValid({ validFromDate, validToDate }: X509Certificate, now: Date): boolean {
  return validFromDate <= now && now <= validToDate;
}

/** A certificate that names no purpose may be used for any (RFC 5280 §4.2.1.12). */
function isForClients({ keyUsage: purposes }: X509Certificate): boolean {
  return (purposes as readonly string[] | undefined)?.includes(CLIENT_AUTHENTICATION) ?? true;
}
