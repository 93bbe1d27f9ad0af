import { plainText } from './foreign-text.ts';

const LONGEST = 80;

/** Names an account at a service that people sign in through, by what the service calls it. */
export function accountElsewhere({
  issuer,
  subject,
  label,
}: Readonly<{ issuer: string; subject: string; label: string | undefined }>): string {
  return `${plainText(label ?? subject).slice(0, LONGEST)} at ${issuer}`;
}
