import { createEnvelope, deriveKey, type Envelope } from './envelope.ts';

/**
 * Encrypts the answer to a refresh under a key that is derived from the refresh token's own value: whoever reads the
 * database, or has the master key as well, cannot read it; whoever has the token was meant to get it.
 */
export function sealAnswer(answer: string, { value, id }: { value: string; id: string }): string {
  return envelopeOf(value).seal(answer, placeOf(id));
}

/** Decrypts what {@link sealAnswer} made. @throws {Error} when it was changed, or belongs to another token */
export function openAnswer(sealed: string, { value, id }: { value: string; id: string }): string {
  return envelopeOf(value).open(sealed, placeOf(id)).toString();
}

function envelopeOf(value: string): Envelope {
  return createEnvelope(deriveKey(Buffer.from(value), 'refresh answer'));
}

function placeOf(id: string): string {
  return `RefreshToken/${id}/sealedAnswer`;
}
