/**
 * How many rounds a race or crash test plays: a tenth of `full`, and at least one.
 *
 * `PORTCULLIS_TEST_ROUNDS=full` plays them all; a positive integer there plays exactly that many.
 * @throws {RangeError} when the variable holds anything else: a typo must not thin out a test unseen
 */
export function rounds(full: number, setting = process.env.PORTCULLIS_TEST_ROUNDS): number {
  if (setting === undefined || setting === '') return Math.max(1, Math.ceil(full / 10));
  if (setting === 'full') return full;
  const count = Number(setting);
  if (Number.isInteger(count) && count > 0) return count;
  throw new RangeError('PORTCULLIS_TEST_ROUNDS must be "full" or a positive integer');
}
