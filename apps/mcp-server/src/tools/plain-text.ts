import { z } from 'zod';

/** Text of 1 to `maxCharacters` characters with something to read in it, and no control characters but line ends and tabs. */
export function plainText(maxCharacters: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxCharacters)
    .regex(/^(?:[^\p{Cc}]|[\n\r\t])*$/u, 'must not contain control characters')
    .regex(/\S/u, 'must not be blank');
}
