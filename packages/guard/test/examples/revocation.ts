import { createGuard } from '@portcullis/guard';

export function listeningGuard(issuer: string, resource: string, secret: string) {
  return createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
    revocation: { clientId: 'desk', clientSecret: secret },
    onRevocationFeed: (change) => console.log('revocation feed', change.state),
  });
}
