/** A client that has authenticated and asks about a token, or for its end, and from where. */
export type AskingClient = { clientId: string; address: string; correlationId: string };
