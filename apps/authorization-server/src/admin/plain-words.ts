import type { z } from 'zod';

/**
 * What is wrong with a field that is too small or too large, for a person; undefined leaves it to Zod, which speaks of data
 * types. What the contract itself says of a field comes before this.
 */
export function inPlainWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.inclusive === false) return undefined;
  if (issue.code === 'too_small') return tooSmall(String(issue.origin), Number(issue.minimum));
  if (issue.code === 'too_big') return tooBig(String(issue.origin), Number(issue.maximum));
  return undefined;
}

function tooSmall(origin: string, minimum: number): string | undefined {
  switch (origin) {
    case 'string':
      return minimum === 1 ? 'must not be empty' : `must have ${minimum} characters at least`;
    case 'array':
      return minimum === 1 ? 'must be given' : `must be given ${minimum} times at least`;
    case 'number':
    case 'int':
      return `must be ${minimum} or more`;
    default:
      return undefined;
  }
}

function tooBig(origin: string, maximum: number): string | undefined {
  switch (origin) {
    case 'string':
      return `may have ${maximum} characters at most`;
    case 'array':
      return `may be given ${maximum} times at most`;
    case 'number':
    case 'int':
      return `must be ${maximum} or less`;
    default:
      return undefined;
  }
}
