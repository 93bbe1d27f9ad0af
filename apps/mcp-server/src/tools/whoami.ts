import { z } from 'zod';
import { defineTool } from './tool.ts';

/** Says who the caller is to this server. */
export const whoami = defineTool({
  name: 'whoami',
  title: 'Who am I',
  description:
    'Says for which user and client the access token of this request was issued, with which scopes, until when it is valid, and what it is bound to.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: 'any-valid-token',
  input: z.strictObject({}),
  output: z.strictObject({
    subject: z.string(),
    client: z.string(),
    scopes: z.array(z.string()),
    roles: z.array(z.string()).optional().describe('Absent where the token names no roles.'),
    expiresAt: z.iso.datetime(),
    boundTo: z
      .array(z.enum(['dpop', 'certificate']))
      .describe('What the caller proved to hold; empty for a bearer token.'),
  }),
  async run(_args, { principal }) {
    const { subject, clientId, scopes, roles, expiresAt, boundTo } = principal;
    const value = {
      subject,
      client: clientId,
      scopes: [...scopes],
      expiresAt: expiresAt.toISOString(),
      boundTo: [
        ...(boundTo?.dpopKey === undefined ? [] : (['dpop'] as const)),
        ...(boundTo?.certificate === undefined ? [] : (['certificate'] as const)),
      ],
    };
    return { ok: true, value: roles === undefined ? value : { ...value, roles: [...roles] } };
  },
});
