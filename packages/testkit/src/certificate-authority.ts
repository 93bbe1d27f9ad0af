import { generateKeyPairSync } from 'node:crypto';
import type { Certificate } from './self-signed-certificate.ts';
import { type CertificateContent, makeCertificate, type NamePart } from './x509.ts';

/** Somebody who issues certificates to clients. */
export type CertificateAuthority = {
  /** Its own certificate, as PEM. */
  certificate: string;
  /** Issues one for clients, with a new key, unless `content` says otherwise. */
  issue(content: Pick<CertificateContent, 'subject'> & Partial<CertificateContent>): Certificate;
};

/** Makes one. Two of the same name are told apart by their keys alone. */
export function createCertificateAuthority(name: string): CertificateAuthority {
  const { privateKey: issuerKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer: readonly NamePart[] = [
    ['O', 'Portcullis test'],
    ['CN', name],
  ];
  return {
    certificate: makeCertificate({ subject: issuer, issuer, publicKey, issuerKey, authority: true }),
    issue(content) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const certificate = makeCertificate({
        issuer,
        publicKey: own.publicKey,
        issuerKey,
        purposes: ['client'],
        ...content,
      });
      return { key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate };
    },
  };
}
