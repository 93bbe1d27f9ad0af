import { createGuard, type Declarations, declarationTable } from '@portcullis/guard';

const declarations: Declarations = {
  tools: {
    whoami: { scopes: 'any-valid-token' },
    search_tickets: { scopes: ['desk:read'], baseline: true },
    reply_to_ticket: { scopes: ['desk:write'], whenScopeMissing: 'challenge' },
    export_customers: { scopes: ['desk:admin'] },
  },
  resources: { 'ticket://{id}': { scopes: ['desk:read'] } },
  prompts: { summarise: { scopes: ['desk:read'] } },
};

export function deskFetch(issuer: string, resource: string, server: (message: unknown) => Promise<Response>) {
  const guard = createGuard({
    issuer,
    resource,
    declarations,
    scopes: { implied: { 'desk:admin': ['desk:write', 'desk:read'] } },
    permittedScopes: ({ roles }) => (roles?.includes('agent') ? ['desk:read', 'desk:write'] : []),
  });
  return (request: Request) => guard.protect(request, (_request, _principal, message) => server(message));
}

/** A table in Markdown, for your documentation. */
export const documentation = () => declarationTable(declarations);
