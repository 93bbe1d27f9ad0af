import type { CallbackListener } from './callback-listener.ts';
import type { ClientApplication, ClientOptions, SignInRecord, ToolAnswer } from './client-application.ts';
import { checkedCallback } from './sign-in-memory.ts';

/** A connected MCP client. */
export type Connection = {
  listTools(): Promise<string[]>;
  callTool(name: string, args: Record<string, unknown>): Promise<ToolAnswer>;
  close(): Promise<void>;
};

/** What came of trying to connect: a connection, or the need to sign in first. */
export type Attempt =
  | { ok: true; connection: Connection }
  | { ok: false; authorizationUrl: URL; finish(callback: URLSearchParams): Promise<void> };

/** What an SDK brings to an application. */
export type SigningIn = {
  name: string;
  callback: CallbackListener;
  memory: { record: SignInRecord; spoilAccessToken(): void };
  openInBrowser: ClientOptions['openInBrowser'];
  attempt(): Promise<Attempt>;
};

/** The part of an application that is the same with every SDK: try, sign in through the browser, try again. */
export function createClientApplication({
  name,
  callback,
  memory,
  openInBrowser,
  attempt,
}: SigningIn): ClientApplication {
  let connection: Connection | undefined;
  const connected = () => {
    if (!connection) throw new Error('not connected');
    return connection;
  };

  const connect = async () => {
    await connection?.close();
    connection = undefined;
    const first = await attempt();
    if (first.ok) return first.connection;
    const [params] = await Promise.all([callback.next(), openInBrowser(first.authorizationUrl)]);
    memory.record.codes.push(...params.getAll('code'));
    await first.finish(checkedCallback(params, first.authorizationUrl));
    const second = await attempt();
    if (second.ok) return second.connection;
    throw new Error('signed in, and still asked to sign in');
  };

  return {
    name,
    redirectUri: callback.redirectUri,
    stored: memory.record,
    spoilAccessToken: memory.spoilAccessToken,
    async connect() {
      connection = await connect();
    },
    listTools: () => connected().listTools(),
    callTool: (tool, args = {}) => connected().callTool(tool, args),
    async close() {
      await connection?.close();
      await callback.close();
    },
  };
}
