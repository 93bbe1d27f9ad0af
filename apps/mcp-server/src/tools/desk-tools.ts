import { exportCustomers } from './export-customers.ts';
import { getCustomer } from './get-customer.ts';
import { readTicket } from './read-ticket.ts';
import { replyToTicket } from './reply-to-ticket.ts';
import { searchTickets } from './search-tickets.ts';
import type { Tool } from './tool.ts';
import { whoami } from './whoami.ts';

/** Every tool of the support desk. */
export const DESK_TOOLS: readonly Tool[] = [
  whoami,
  searchTickets,
  readTicket,
  getCustomer,
  replyToTicket,
  exportCustomers,
];
