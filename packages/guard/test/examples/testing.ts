import { createGuard } from '@portcullis/guard';
import { createTestIssuer } from '@portcullis/guard/testing';
import { declarations } from './desk.ts';

/** Answers one call as your server would, for a caller with this scope. */
export async function answerTo(name: string, scope: string, handler: () => Response) {
  const { issuer, fetch, token } = await createTestIssuer();
  const resource = 'https://mcp.example.com/mcp';
  const guard = createGuard({ issuer, resource, fetch, declarations });

  const request = new Request(resource, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await token(resource, { claims: { scope } })}`,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }),
  });
  return guard.protect(request, handler);
}
