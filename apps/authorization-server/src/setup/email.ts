import { z } from 'zod';

const email = z.email().max(320);

/** Why an e-mail address cannot be used, in words for the person who typed it; `undefined` when it is fine. */
export function emailProblem(text: string): string | undefined {
  return email.safeParse(text).success ? undefined : 'Enter your e-mail address, such as name@example.com.';
}
