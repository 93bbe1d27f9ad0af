import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** The names by which a client can be told by its certificate (RFC 8705 §2.1.2). */
export const SUBJECT_PROPERTIES = {
  dn: 'tls_client_auth_subject_dn',
  dns: 'tls_client_auth_san_dns',
  uri: 'tls_client_auth_san_uri',
  ip: 'tls_client_auth_san_ip',
  email: 'tls_client_auth_san_email',
} as const;

/** One of these names, as client metadata calls it. */
export type SubjectProperty = (typeof SUBJECT_PROPERTIES)[keyof typeof SUBJECT_PROPERTIES];

/** Whether a certificate has the name that a client was registered with: exactly that one, no wildcard, no part of it. */
export function hasSubject(certificate: X509Certificate, property: SubjectProperty, expected: string): boolean {
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return distinguishedName(certificate) === expected;
    case 'tls_client_auth_san_dns':
      return certificate.checkHost(expected, { subject: 'never', wildcards: false }) !== undefined;
    case 'tls_client_auth_san_email':
      return certificate.checkEmail(expected, { subject: 'never' }) !== undefined;
    case 'tls_client_auth_san_ip':
      return isIP(expected) !== 0 && certificate.checkIP(expected) !== undefined;
    case 'tls_client_auth_san_uri':
      return uris(certificate).includes(expected);
  }
}

/**
 * The name of a certificate's subject as RFC 4514 writes it: the most specific part first.
 * Node.js gives one part in each line, in the certificate's own order, its values escaped as RFC 4514 asks.
 */
function distinguishedName({ subject }: X509Certificate): string {
  return subject
    .split('\n')
    .reverse()
    .map((part) => part.replaceAll(' + ', '+'))
    .join(',');
}

/** A distinguished name without the spaces that people put behind its commas; undefined when it is none. */
export function readDistinguishedName(text: string): string | undefined {
  const parts = text.split(/(?<!\\),/).map((part) => part.trim());
  return parts.every((part) => /^[A-Za-z][A-Za-z0-9.-]*=.+$/.test(part)) ? parts.join(',') : undefined;
}

/** Node.js escapes the commas in a name and puts quotes around it, so that none can pass for several. */
function uris({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice('URI:'.length)] : []));
}
