import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { certificateFromProxy } from '@portcullis/guard/node';
import type { Clock } from '@portcullis/platform';
import { type AdapterPayload, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { isVouchedFor, readCertificate } from '../client-certificate/certificate-authority.ts';
import { hasSubject, type SubjectProperty } from '../client-certificate/certificate-subject.ts';

/** How the certificates of clients come in. */
export type ClientCertificates = Readonly<{
  /** The header in which the TLS proxy passes them. */
  header: string;
  /** Where the proxy connects from. */
  proxies: readonly string[];
  /** Who issues the certificates with which clients authenticate; without any, none can. */
  authorities: readonly X509Certificate[];
}>;

/** The engine's `mTLS` feature (RFC 8705): off unless a proxy passes certificates. */
export function mutualTlsFeature(certificates: ClientCertificates | undefined, clock: Clock) {
  if (!certificates) return { enabled: false } as const;
  const { authorities } = certificates;
  const certificateOf = certificateReader(certificates);
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    tlsClientAuth: authorities.length > 0,
    getCertificate: (ctx: KoaContextWithOIDC) => certificateOf(ctx.req),
    certificateAuthorized(ctx: KoaContextWithOIDC) {
      const certificate = certificateOf(ctx.req);
      return certificate !== undefined && isVouchedFor(certificate, { authorities, now: clock() });
    },
    certificateSubjectMatches(ctx: KoaContextWithOIDC, property: SubjectProperty, expected: string) {
      const certificate = certificateOf(ctx.req);
      return certificate !== undefined && hasSubject(certificate, property, expected);
    },
  };
}

/**
 * Turns a client away that was registered for certificates, where none come in any more. The engine would pass over
 * what it is not told to support, and issue tokens that are bound to nothing.
 */
export function refuseUncheckedCertificates(
  client: AdapterPayload,
  certificates: ClientCertificates | undefined,
): void {
  if (certificates || !client.tls_client_certificate_bound_access_tokens) return;
  throw new errors.InvalidClientAuth('this server takes no client certificates at present');
}

function certificateReader(certificates: ClientCertificates) {
  const source = certificateFromProxy(certificates);
  return (message: IncomingMessage): X509Certificate | undefined => {
    const der = source(message);
    return der && readCertificate(der);
  };
}
