import { z } from 'zod';
import { TICKET_STATUSES } from '../store/tables.ts';
import { plainText } from './plain-text.ts';
import { ticketId, ticketReference, ticketReferenceSchema } from './ticket-reference.ts';
import { defineTool } from './tool.ts';

/** Writes a reply in the name of the token's user; no argument can say otherwise (SP-26). */
export const replyToTicket = defineTool({
  name: 'reply_to_ticket',
  title: 'Reply to a ticket',
  description:
    'Adds a reply to a ticket in your name and sets its status. A ticket that is assigned to somebody else is not there.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  cost: 2,
  scopes: ['desk:write'],
  whenScopeMissing: 'challenge',
  input: z.strictObject({
    ticketId: ticketReferenceSchema,
    body: plainText(4000).describe('What the customer will read.'),
    status: z.enum(TICKET_STATUSES).default('pending').describe('Where the ticket stands after the reply.'),
    assignToMe: z
      .boolean()
      .default(false)
      .describe('Whether from now on only you and leads see and answer the ticket.'),
  }),
  output: z.strictObject({
    ticketId: z.string(),
    messageId: z.int(),
    author: z.string(),
    status: z.enum(TICKET_STATUSES),
    createdAt: z.iso.datetime(),
  }),
  async run({ body, status, assignToMe, ...args }, { store, now }) {
    const id = ticketId(args.ticketId);
    const message = await store.reply({ ticketId: id, body, status, assignToAuthor: assignToMe, now });
    if (message === undefined)
      return { ok: false, refusal: { reason: 'impossible', message: `There is no ticket ${args.ticketId}.` } };
    return {
      ok: true,
      value: {
        ticketId: ticketReference(id),
        messageId: message.id,
        author: message.author,
        status,
        createdAt: message.createdAt.toISOString(),
      },
    };
  },
});
