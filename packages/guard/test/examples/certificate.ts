import { createServer } from 'node:http';
import { createGuard } from '@portcullis/guard';
import { certificateFromProxy, nodeGuard } from '@portcullis/guard/node';

export function boundServer(issuer: string, resource: string) {
  const guard = createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
    proofOfPossession: 'certificate', // or 'dpop'; without it bearer tokens pass too
  });
  const clientCertificate = certificateFromProxy({ header: 'client-cert', proxies: ['127.0.0.1'] });
  const authenticate = nodeGuard(guard, { clientCertificate });

  return createServer(async (request, response) => {
    const principal = await authenticate(request, response);
    if (principal !== undefined) response.end(`bound to ${principal.boundTo?.certificate}`);
  });
}
