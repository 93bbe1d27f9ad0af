import type { ClientMetadata } from '@portcullis/persistence';
import type { AdminAnswer, AdminRequest } from '@portcullis/platform';
import { readDistinguishedName, SUBJECT_PROPERTIES } from '../client-certificate/certificate-subject.ts';
import type { ClientCertificates } from '../provider/mutual-tls.ts';
import type { FieldProblem } from './problem.ts';

type Registration = AdminRequest<'registerClient'>['body'];
type ShownClient = AdminAnswer<'showClient'>['client'];

/** Why nothing can be bound to certificates on this server. */
export const NO_CERTIFICATES: FieldProblem = {
  field: 'proofOfPossession',
  problem: 'this server is not told where client certificates come from: PORTCULLIS_CLIENT_CERTIFICATE_HEADER',
};

/** What is wrong with how a client is to prove itself, by certificate or key. */
export function possessionProblems(
  { authentication, tlsSubject, proofOfPossession }: Registration,
  certificates: ClientCertificates | undefined,
): FieldProblem[] {
  const isTls = authentication === 'tls_client_auth';
  return [
    ...(isTls && !tlsSubject
      ? [{ field: 'tlsSubject', problem: 'tls_client_auth needs the name in the certificate' }]
      : []),
    ...(!isTls && tlsSubject ? [{ field: 'tlsSubject', problem: 'only tls_client_auth uses a name' }] : []),
    ...(tlsSubject?.type === 'dn' && readDistinguishedName(tlsSubject.value) === undefined
      ? [{ field: 'tlsSubject', problem: 'is no distinguished name such as CN=nightly,O=Example (RFC 4514)' }]
      : []),
    ...(isTls && !certificates?.authorities.length
      ? [
          {
            field: 'authentication',
            problem:
              'this server is not told who issues client certificates: PORTCULLIS_CLIENT_CERTIFICATE_AUTHORITIES',
          },
        ]
      : []),
    ...(proofOfPossession === 'certificate' && !certificates ? [NO_CERTIFICATES] : []),
  ];
}

/** The same in the words of RFC 8705 and RFC 9449. */
export function possessionMetadata({
  authentication,
  tlsSubject,
  proofOfPossession = authentication === 'tls_client_auth' ? 'certificate' : 'none',
}: Registration): Partial<ClientMetadata> {
  return {
    ...(tlsSubject && { [SUBJECT_PROPERTIES[tlsSubject.type]]: subjectValue(tlsSubject) }),
    ...(proofOfPossession === 'dpop' && { dpop_bound_access_tokens: true }),
    ...(proofOfPossession === 'certificate' && { tls_client_certificate_bound_access_tokens: true }),
  };
}

/** And as administrators see it. */
export function shownPossession(metadata: ClientMetadata): Pick<ShownClient, 'tlsSubject' | 'proofOfPossession'> {
  const { dpop_bound_access_tokens: dpop, tls_client_certificate_bound_access_tokens: certificate } = metadata;
  const [subject] = Object.values(SUBJECT_PROPERTIES).flatMap((property) => metadata[property] ?? []);
  return {
    tlsSubject: typeof subject === 'string' ? subject : null,
    proofOfPossession: dpop ? 'dpop' : certificate ? 'certificate' : null,
  };
}

function subjectValue({ type, value }: NonNullable<Registration['tlsSubject']>): string {
  return type === 'dn' ? (readDistinguishedName(value) ?? value) : value;
}
