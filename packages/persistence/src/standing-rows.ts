import type { Database } from './database.ts';
import type { Client } from './generated/postgresql/client.ts';
import { type GrantTerms, termsOf } from './grant-store.ts';
import { TOKEN_STANDING } from './statements/lookups.ts';

/** What an access token says of what it stands on. */
export type StandingOn = {
  grantId: string;
  clientId: string;
  /** The user, or the client itself where nobody stands behind it. */
  subject: string;
  resource: string;
  issuedAt: Date;
  now: Date;
};

/** What an access token stands on, as it was at one moment; without what is gone. */
export type StandingRows = {
  /** Whether there is a revocation that covers it. */
  isRevoked: boolean;
  /** In any state. */
  client: Client | null;
  /** What its grant allows, and whom, while that lives. */
  grant: GrantTerms | undefined;
  user: { disabledAt: Date | null } | undefined;
};

/** Reads what an access token stands on. */
export type ReadStanding = (asked: StandingOn) => Promise<StandingRows>;

type Row = Omit<Client, 'id'> & {
  id: string | null;
  grantUserId: string | null;
  grantClientId: string | null;
  resources: string | null;
  grantExpiresAt: Date | null;
  userId: string | null;
  userDisabledAt: Date | null;
  revocation: string | null;
};

/** Makes what reads all of it in one trip. */
export function createStandingRows({ statements }: Database): ReadStanding {
  return async ({ grantId, clientId, subject, resource, issuedAt, now }) => {
    const [row] = await statements.run<Row>(TOKEN_STANDING, clientId, grantId, subject, resource, now, issuedAt);
    if (!row) throw new TypeError('a look-up of one row gave none');
    const { grantUserId, grantClientId, grantExpiresAt, resources } = row;
    const isLive = grantUserId !== null && grantClientId !== null && grantExpiresAt !== null && grantExpiresAt > now;
    return {
      isRevoked: row.revocation !== null,
      client: isFound(row) ? row : null,
      grant: isLive ? termsOf({ userId: grantUserId, clientId: grantClientId, resources }) : undefined,
      user: row.userId === null ? undefined : { disabledAt: row.userDisabledAt },
    };
  };
}

function isFound(row: Row): row is Row & Client {
  return row.id !== null;
}
