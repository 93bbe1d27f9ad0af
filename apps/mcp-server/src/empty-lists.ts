import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, type Server } from '@modelcontextprotocol/server';

/** What a server declares so that {@link answerEmptyLists} can answer. */
export const EMPTY_LIST_CAPABILITIES = { resources: {}, prompts: {}, logging: {} } as const;

/**
 * Answers that there are no resources and no prompts. Many clients ask for every kind of list,
 * and show an error of theirs to the user where the method does not exist.
 */
export function answerEmptyLists(server: Server): void {
  server.setRequestHandler('resources/list', () => ({ resources: [] }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [] }));
  server.setRequestHandler('resources/read', ({ params }) => {
    throw new ResourceNotFoundError(params.uri);
  });
  server.setRequestHandler('prompts/list', () => ({ prompts: [] }));
  server.setRequestHandler('prompts/get', ({ params }) => {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown prompt: ${params.name}`);
  });
}
