import { type KeyObject, randomBytes, sign } from 'node:crypto';

/** What a certificate says. */
export type CertificateContent = {
  /** Parts of a distinguished name in the certificate's order, the most general first, such as `['O', 'Example']`. */
  subject: readonly NamePart[];
  issuer: readonly NamePart[];
  publicKey: KeyObject;
  /** P-256. */
  issuerKey: KeyObject;
  alternativeNames?: readonly AlternativeName[];
  /** Whether it may issue others. */
  authority?: boolean;
  /** Object ids of the purposes that it is for; any when undefined. */
  purposes?: readonly (keyof typeof PURPOSES)[];
  validFrom?: Date;
  validTo?: Date;
};

/** One part of a distinguished name. */
export type NamePart = readonly [type: keyof typeof NAME_TYPES, value: string];

/** One name in a certificate beside its subject. */
export type AlternativeName = readonly [type: 'dns' | 'email' | 'uri' | 'ip', value: string];

const NAME_TYPES = { CN: '550403', C: '550406', O: '55040a', OU: '55040b' };
const ALTERNATIVE_TAGS = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 };
const PURPOSES = { server: '2b06010505070301', client: '2b06010505070302' };
const DAY_MS = 24 * 3600 * 1000;

/** Makes a certificate (RFC 5280) as PEM, valid from yesterday for a month unless it says otherwise. */
export function makeCertificate(content: CertificateContent): string {
  const { validFrom = new Date(Date.now() - DAY_MS), validTo = new Date(Date.now() + 30 * DAY_MS) } = content;
  const algorithm = sequence(objectId('2a8648ce3d040302'));
  const toBeSigned = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    distinguishedName(content.issuer),
    sequence(time(validFrom), time(validTo)),
    distinguishedName(content.subject),
    content.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(content))),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, content.issuerKey)]);
  const certificate = sequence(toBeSigned, algorithm, der(0x03, signature));
  const lines = certificate.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function extensions({ alternativeNames = [], authority, purposes }: CertificateContent): Buffer[] {
  const names = alternativeNames.map(([type, value]) =>
    der(ALTERNATIVE_TAGS[type], type === 'ip' ? Buffer.from(value.split('.').map(Number)) : Buffer.from(value)),
  );
  return [
    ...(names.length > 0 ? [extension('551d11', sequence(...names))] : []),
    ...(authority ? [extension('551d13', sequence(der(0x01, Buffer.from([0xff]))))] : []),
    ...(purposes ? [extension('551d25', sequence(...purposes.map((purpose) => objectId(PURPOSES[purpose]))))] : []),
  ];
}

function extension(id: string, content: Buffer): Buffer {
  return sequence(objectId(id), der(0x04, content));
}

function distinguishedName(parts: readonly NamePart[]): Buffer {
  return sequence(
    ...parts.map(([type, value]) => set(sequence(objectId(NAME_TYPES[type]), der(0x0c, Buffer.from(value))))),
  );
}

function der(tag: number, content: Buffer): Buffer {
  const length = content.length;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function set(...parts: Buffer[]): Buffer {
  return der(0x31, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function objectId(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function time(moment: Date): Buffer {
  const digits = moment.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}
