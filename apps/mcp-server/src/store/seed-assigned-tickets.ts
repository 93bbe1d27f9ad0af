import type { SeedTicket } from './seed-tickets.ts';

/** The number of the first entry; the others follow without gaps. */
export const FIRST_ASSIGNED_TICKET_ID = 901;

/** Tickets that belong to one agent of the desk alone. */
export const ASSIGNED_SEED_TICKETS: readonly SeedTicket[] = [
  {
    customer: 14,
    subject: 'Confidential: a former cook still signs in',
    status: 'open',
    priority: 'urgent',
    messages: [
      'We let somebody go on Friday, and his account still opens the recipe vault. Please keep this between us.',
      'The account is closed. Nobody else at the desk sees this ticket.',
    ],
  },
  {
    customer: 5,
    subject: 'Confidential: offer for all eleven branches',
    status: 'pending',
    priority: 'high',
    messages: [
      'Our accountant asks for the price that we agreed on by telephone. The other bakeries need not know it.',
    ],
  },
  {
    customer: 10,
    subject: 'Confidential: the end of our contract',
    status: 'open',
    priority: 'normal',
    messages: ['If the piano lids stay as they are, we leave in November. So far only you know.'],
  },
];
