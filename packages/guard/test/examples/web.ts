import { createGuard } from '@portcullis/guard';

export function helloFetch(issuer: string, resource: string) {
  const guard = createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
  });

  return (request: Request) =>
    guard.protect(request, async (admitted, principal) => {
      const message = await admitted.text(); // at most bodyLimitBytes
      const isWrite = message.includes('write');
      if (isWrite && !principal.scopes.includes('desk:write')) {
        return guard.insufficientScope({ request: admitted, required: ['desk:write'] });
      }
      return new Response(`Hello, ${principal.subject}`);
    });
}
