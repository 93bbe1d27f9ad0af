/** What decides whether a client's logo is shown. */
export type LogoClaim = {
  logoUri: string | undefined;
  /** Whether the operator of this server vouches for the client itself. */
  isFirstParty: boolean;
  /** For a client that names itself by a URL: that URL, and whether the operator named its host, or the client. */
  document?: { clientId: string; isVouchedFor: boolean } | undefined;
};

/**
 * The logo that the consent page may show. A familiar picture says “you know me”, so whoever can choose one freely
 * must not be shown with it: a client that registered itself never is, and one with a document only where somebody has
 * looked at whose it is, with a picture from its own host.
 */
export function shownLogo({ logoUri, isFirstParty, document }: LogoClaim): string | undefined {
  if (logoUri === undefined || !URL.canParse(logoUri)) return undefined;
  if (isFirstParty) return logoUri;
  if (!document?.isVouchedFor) return undefined;
  return new URL(logoUri).origin === new URL(document.clientId).origin ? logoUri : undefined;
}
