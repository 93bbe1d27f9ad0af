import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Access } from './access.ts';
import type { DeclaredKind } from './declarations.ts';
import { isObject } from './fetch-json.ts';
import type { McpMessage } from './mcp-message.ts';

/** Where an answer lists things, and by which member they are named. */
type Listing = Readonly<{ kind: DeclaredKind; member: string; named: string }>;

const LISTINGS: ReadonlyMap<unknown, Listing> = new Map([
  ['tools/list', { kind: 'tools', member: 'tools', named: 'name' }],
  ['prompts/list', { kind: 'prompts', member: 'prompts', named: 'name' }],
  ['resources/list', { kind: 'resources', member: 'resources', named: 'uri' }],
  ['resources/templates/list', { kind: 'resources', member: 'resourceTemplates', named: 'uriTemplate' }],
]);

/**
 * Takes out of the answer to a list request what the caller may not know of, and what nobody declared; both from a JSON
 * answer and from a stream, which is read to its end. Every other answer is given back as it is.
 *
 * @throws Error when the answer is cut short
 */
export async function siftListing(
  response: Response,
  { method }: McpMessage,
  access: (kind: DeclaredKind, name: unknown) => Access,
): Promise<Response> {
  const listing = LISTINGS.get(method);
  const sift = listing && siftingBy(mediaType(response));
  if (sift === undefined || listing === undefined || response.body === null) return response;
  const text = sift(await response.text(), (value) => listed(value, listing, access));
  const headers = new Headers(response.headers);
  headers.delete('content-length');
  return new Response(text, { status: response.status, statusText: response.statusText, headers });
}

type Sift = (text: string, keep: (value: unknown) => unknown) => string;

function siftingBy(type: string | undefined): Sift | undefined {
  switch (type) {
    case 'application/json':
      return (text, keep) => JSON.stringify(keep(JSON.parse(text)));
    case 'text/event-stream':
      return siftEvents;
    default:
      return undefined;
  }
}

function siftEvents(text: string, keep: (value: unknown) => unknown): string {
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  parser.feed(text);
  return events
    .map(({ id, event, data }) => {
      const lines = data === '' ? '' : JSON.stringify(keep(JSON.parse(data)));
      return `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}data: ${lines}\n\n`;
    })
    .join('');
}

function listed(value: unknown, { kind, member, named }: Listing, access: Parameters<typeof siftListing>[2]): unknown {
  if (!isObject(value) || !isObject(value.result)) return value;
  const items = value.result[member];
  if (!Array.isArray(items)) return value;
  const kept = items.filter((item) => isObject(item) && access(kind, item[named]) !== 'hidden');
  return { ...value, result: { ...value.result, [member]: kept } };
}

function mediaType(response: Response): string | undefined {
  return response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
}
