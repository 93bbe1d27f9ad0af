import type { FormTokens } from '../interactions/form-token.ts';

/** Where a refresh token stands: its family, and how many came before it there. */
type FamilyPlace = { grantId: string; generation: number };

/** Writes into a refresh token where it stands, so that this is known when its row is gone. */
export type FamilyMarks = {
  /** The token as its client gets it. */
  mark(random: string, place: FamilyPlace): string;
  /** Where a token stands; undefined for one that was not issued here. Says nothing of whether it is good. */
  read(value: string): FamilyPlace | undefined;
};

const SUBJECT = 'refresh-family';

/**
 * Marks refresh tokens: `<random>.<generation>.<grant>.<signature>`. The signature covers the three others, so that
 * nobody who knows a family's id, or has one of its tokens, can make up another that was rotated long ago.
 *
 * @param signatures under keys that no database holds
 */
export function createFamilyMarks(signatures: FormTokens): FamilyMarks {
  return {
    mark(random, { grantId, generation }) {
      const parts = [random, generation.toString(36), grantId] as const;
      return [...parts, signatures.issue(SUBJECT, ...parts)].join('.');
    },
    read(value) {
      const [random, generation, grantId, signature, ...rest] = value.split('.');
      if (random === undefined || generation === undefined || grantId === undefined || rest.length > 0)
        return undefined;
      if (!signatures.verify(signature, SUBJECT, random, generation, grantId)) return undefined;
      return { grantId, generation: Number.parseInt(generation, 36) };
    },
  };
}
