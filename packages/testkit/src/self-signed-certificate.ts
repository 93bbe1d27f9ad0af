import { generateKeyPairSync } from 'node:crypto';
import { makeCertificate, type NamePart } from './x509.ts';

/** A key and a certificate for it, both as PEM; whoever trusts the certificate as an authority trusts the server. */
export type Certificate = { key: string; certificate: string };

/** Makes a certificate for `hosts` (DNS names; `*.` stands for one label), valid from yesterday for a month (RFC 5280). */
export function selfSignedCertificate(hosts: readonly string[]): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name: readonly NamePart[] = [['CN', 'Portcullis test']];
  const certificate = makeCertificate({
    subject: name,
    issuer: name,
    publicKey,
    issuerKey: privateKey,
    alternativeNames: hosts.map((host) => ['dns', host]),
  });
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate };
}
