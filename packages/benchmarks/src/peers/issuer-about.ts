import type { JWK } from 'jose';

/** A client that acts for itself, in the two ways in which it can say who it is. */
export type Machine = {
  secret: { clientId: string; clientSecret: string };
  key: { clientId: string; privateJwk: JWK };
  publicJwk: JWK;
};

/** What an authorization server that is compared with is started with. */
export type IssuerAbout = {
  origin: string;
  /** The only resource that tokens are for, and its only scope. */
  resource: string;
  scope: string;
  machine: Machine;
  /** The key that it signs with, where it has to be told. */
  signingJwk: JWK;
};
