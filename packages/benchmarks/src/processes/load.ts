/** Which tokens the requests of a run carry. */
export type Credentials = 'none' | 'one token' | '1,000 tokens in turn' | 'every token new' | 'one token with DPoP';

/** A run of requests, as it is told to the load generator; it answers with requests per second. */
export type Load = {
  port: number;
  credentials: Credentials;
  requests: number;
  /** How many are under way at once. */
  atOnce: number;
};
