import type { Access, Caller } from './access.ts';
import type { DeclaredKind } from './declarations.ts';
import { siftListing } from './listing.ts';
import { type McpMessage, readMessage } from './mcp-message.ts';
import { accessTo, judgeOperation, type OperationRefusal } from './operation.ts';
import type { GuardSettings } from './options.ts';
import type { Principal } from './principal.ts';
import type { Refusal } from './refusal.ts';
import { type BodySource, readBytes } from './request-body.ts';

/** A message, and who sent it. */
export type SentMessage = Readonly<{ principal: Principal; message: McpMessage }>;

/** Judges what requests say, once it is known who says it. */
export type MessageGate = Readonly<{
  /** Reads the body up to the limit; `message` is undefined where the request has none. */
  read(request: Request, body?: BodySource): Promise<MessageReading>;
  /** @returns undefined when the message may go on */
  judge(sent: SentMessage): OperationRefusal | undefined;
  /** Takes out of a list what its caller may not know of. */
  sift(response: Response, principal: Principal, message: McpMessage | undefined): Promise<Response>;
  access(principal: Principal, kind: DeclaredKind, name: unknown): Access;
}>;

type MessageReading = { ok: true; message: McpMessage | undefined } | { ok: false; refusal: Refusal };

const decoder = new TextDecoder();
const BODILESS_METHODS: readonly string[] = ['GET', 'DELETE'];

/** Makes the gate of a guard with declarations; undefined for one that has none. */
export function messageGate(settings: GuardSettings): MessageGate | undefined {
  const { declarations, hierarchy, bodyLimitBytes } = settings;
  if (declarations === undefined) return undefined;
  const rules = { declarations, hierarchy };
  const access = (caller: Caller, kind: DeclaredKind, name: unknown) => accessTo({ kind, name }, caller, rules);
  const callerOf = (principal: Principal): Caller => ({
    scopes: principal.scopes,
    permitted: settings.permittedScopes(principal),
  });

  return {
    access: (principal, kind, name) => access(callerOf(principal), kind, name),
    async read({ method }, body = nothing()) {
      if (method !== 'POST') return withoutMessage(method, body);
      const read = await readBytes(body, bodyLimitBytes);
      return read.ok ? readMessage(decoder.decode(read.bytes)) : read;
    },
    judge: ({ message, principal }) => judgeOperation(message, callerOf(principal), rules),
    async sift(response, principal, message) {
      if (message === undefined) return response;
      const caller = callerOf(principal);
      return siftListing(response, message, (kind, name) => access(caller, kind, name));
    },
  };
}

/** What has a body without being a POST could be taken for a message by a careless server. */
async function withoutMessage(method: string, body: BodySource): Promise<MessageReading> {
  if (!BODILESS_METHODS.includes(method)) return { ok: false, refusal: { reason: 'method_not_allowed' } };
  // Some runtimes have a stream for every request; what matters is whether anything is in it.
  const isEmpty = (await readBytes(body, 0)).ok;
  return isEmpty ? { ok: true, message: undefined } : { ok: false, refusal: { reason: 'not_a_message' } };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
