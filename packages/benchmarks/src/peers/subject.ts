import type { SignInTarget } from '../scenarios/journey.ts';
import type { ClientCredentials, Introspections, RefreshChain } from '../scenarios/token-endpoint.ts';

/** An authorization server that is measured, alone in its processes. */
export type Subject = {
  name: string;
  /** The processes whose time is counted: the server's own, without a database's. */
  servers: readonly number[];
  /** How people and unknown clients come to it; undefined where nobody fills in its pages. */
  target: SignInTarget | undefined;
  /** Where refresh tokens are used, for what, and how a family of them begins. */
  refreshing: { tokenEndpoint: string; resource: string; begin(): Promise<RefreshChain> };
  /** Where the public keys of its access tokens are; undefined where those are opaque. */
  jwksUri: string | undefined;
  /** How a machine gets tokens, in what it can; undefined where it cannot. */
  machines: { secret: ClientCredentials; key?: ClientCredentials } | undefined;
  /** Undefined where there is no introspection. */
  introspection: Omit<Introspections, 'token'> | undefined;
  /** A token that its introspection knows. */
  introspectedToken(): Promise<string>;
  /** How the password of who signs in is stored, in PHC string form; undefined where it is not told, or there is none. */
  passwordHash: string | undefined;
  stop(): Promise<void>;
};

/** The resource of all subjects but Portcullis, whose resources are real servers. */
export const RESOURCE = 'http://localhost:4999/mcp';
/** The scope of it. */
export const SCOPE = 'desk:read';
