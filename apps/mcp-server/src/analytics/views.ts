/** One view that a query may read. */
type AnalyticsView = {
  name: string;
  columns: readonly string[];
  /** The SELECT statement behind it, over the desk's own tables. The same for both databases. */
  select: string;
};

/**
 * All that query_analytics can see. Numbers, moments and the desk's own words: no text that people outside wrote, no
 * names, addresses, phone numbers or notes, and nothing of tickets that are assigned to somebody.
 */
export const ANALYTICS_VIEWS: readonly AnalyticsView[] = [
  {
    name: 'tickets',
    columns: ['id', 'customer_id', 'status', 'priority', 'created_at', 'updated_at'],
    select:
      'select id, customer_id, status, priority, created_at, updated_at from ticket where ticket.assignee is null',
  },
  {
    name: 'messages',
    columns: ['id', 'ticket_id', 'author_kind', 'characters', 'created_at'],
    select:
      'select ticket_message.id, ticket_id, author_kind, length(body) as characters, ticket_message.created_at from ticket_message inner join ticket on ticket.id = ticket_message.ticket_id where ticket.assignee is null',
  },
  { name: 'customers', columns: ['id', 'company'], select: 'select id, company from customer' },
];

/** The views with their columns in one line, for whoever writes a query. */
export function describeViews(): string {
  return ANALYTICS_VIEWS.map(({ name, columns }) => `${name}(${columns.join(', ')})`).join(', ');
}
