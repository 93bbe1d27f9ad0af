import type { Guard } from './guard.ts';
import type { Principal } from './principal.ts';

/** What both generations of the MCP TypeScript SDK call AuthInfo, as far as the guard fills it. */
export type SdkAuthInfo = {
  /** Always empty: a handler has no business with the token. */
  token: string;
  clientId: string;
  scopes: string[];
  /** Seconds since 1970. */
  expiresAt: number;
  resource: URL;
  resourceMetadataUrl: string;
  extra: { principal: Principal };
};

/** Puts a principal into the form in which the MCP TypeScript SDK hands it to tool handlers. */
export function authInfo(guard: Pick<Guard, 'resourceMetadataUrl'>, principal: Principal): SdkAuthInfo {
  return {
    token: '',
    clientId: principal.clientId,
    scopes: [...principal.scopes],
    expiresAt: Math.floor(principal.expiresAt.getTime() / 1000),
    resource: new URL(principal.audience),
    resourceMetadataUrl: guard.resourceMetadataUrl,
    extra: { principal },
  };
}
