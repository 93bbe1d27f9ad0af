import { z } from 'zod';
import { redirectTarget } from '../redirect-uri.ts';

const hostPattern = z
  .string()
  .regex(
    /^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]+$|^\[[0-9a-f:]+\]$|^[a-z][a-z0-9+.-]*:$/,
    'is no host such as app.example.com, *.example.com or localhost, and no scheme such as cursor:',
  );

const publicKey = z
  .looseObject({ kty: z.enum(['EC', 'RSA', 'OKP']) })
  .refine((key) => !('d' in key), 'holds a private key; only the public part belongs here');

/** The part of the configuration file that says who may register a client, and how many. */
export const registrationSchema = z
  .strictObject({
    policy: z
      .enum(['open', 'token', 'review', 'off'])
      .default('open')
      .describe(
        'open: any client may register; token: with a registration token only; review: an administrator approves each; off: none.',
      ),
    redirectHosts: z
      .strictObject({
        allow: z.array(hostPattern).optional().describe('When it is given, every other host is refused.'),
        deny: z.array(hostPattern).default([]).describe('Refused even where allow has them.'),
      })
      .prefault({})
      .describe('Where clients that register themselves may be called back.'),
    quota: z
      .strictObject({
        perNetworkPerHour: z.int().min(1).max(1_000_000).default(600),
        overallPerHour: z.int().min(1).max(10_000_000).default(3000),
      })
      .prefault({})
      .describe('New registrations without a registration token; identical ones of public clients count once.'),
    softwareStatements: z
      .strictObject({
        required: z.boolean().default(false).describe('Refuses registrations without a statement.'),
        issuers: z
          .record(z.string().min(1), z.strictObject({ keys: z.array(publicKey).min(1) }))
          .default({})
          .describe('JSON Web Key Sets by the `iss` of the statements that they verify.'),
      })
      .prefault({})
      .refine(
        ({ required, issuers }) => !required || Object.keys(issuers).length > 0,
        'required needs at least one issuer',
      )
      .describe('Signed statements about client software (RFC 7591 §2.3), whose claims win.'),
  })
  .describe('Dynamic client registration (RFC 7591).');

/** Who may register a client, and how many. */
export type RegistrationPolicy = z.infer<typeof registrationSchema>;

/** Whether clients may register that are called back at this URI. */
export function allowsRedirect({ allow, deny }: RegistrationPolicy['redirectHosts'], uri: string): boolean {
  const target = redirectTarget(uri);
  if (!target) return false;
  // The same host with the root's dot behind it would slip past the list.
  const place = target.kind === 'private-use' ? `${target.scheme}:` : new URL(uri).hostname.replace(/\.$/, '');
  const matches = (pattern: string) =>
    pattern.startsWith('*.') ? place.endsWith(pattern.slice(1)) : place === pattern;
  return !deny.some(matches) && (allow === undefined || allow.some(matches));
}
