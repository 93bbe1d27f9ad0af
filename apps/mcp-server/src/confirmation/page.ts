import { z } from 'zod';
import type { AskedCall, Consent } from './asked-call.ts';

/** How this server speaks to the authorization server, as itself. */
export type PageOptions = {
  issuer: string;
  clientId: string;
  clientSecret: string;
  fetch: typeof globalThis.fetch;
};

/** Asks users on a page of the authorization server, behind their own sign-in. */
export type ConfirmationPage = { useOrAsk(call: AskedCall): Promise<Consent> };

const TIMEOUT_MS = 5000;

const answerSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('approved') }),
  z.object({ status: z.literal('denied') }),
  z.object({ status: z.literal('nobody-to-ask') }),
  z.object({ status: z.literal('pending'), url: z.url({ protocol: /^https?$/ }) }),
]);

/**
 * Makes the door to that page. An approval is bound to user, grant, client, tool and arguments over there, and used up
 * there, so that neither a copy of a link nor another replica makes two of one.
 */
export function confirmationPage({ issuer, clientId, clientSecret, fetch }: PageOptions): ConfirmationPage {
  const authorization = basicAuthorization(clientId, clientSecret);
  return {
    async useOrAsk({ tool, arguments: args, principal, signal }) {
      const { subject, clientId: client, grantId } = principal;
      if (grantId === undefined) return { given: false, reason: 'nobody-to-ask' };
      const response = await fetch(`${issuer}/internal/confirmations`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ subject, clientId: client, grantId, tool, arguments: args }),
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      if (!response.ok) throw new Error(`a confirmation could not be asked for: status ${response.status}`);
      return consentOf(answerSchema.parse(await response.json()));
    },
  };
}

function consentOf(answer: z.output<typeof answerSchema>): Consent {
  switch (answer.status) {
    case 'approved':
      return { given: true };
    case 'denied':
    case 'nobody-to-ask':
      return { given: false, reason: answer.status };
    case 'pending':
      return { given: false, reason: 'asked', where: { by: 'page', url: answer.url } };
  }
}

/** Both parts are form-encoded before they are joined. @see RFC 6749 section 2.3.1 */
function basicAuthorization(id: string, secret: string): string {
  const encoded = [id, secret].map((part) => new URLSearchParams({ '': part }).toString().slice(1));
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
}
