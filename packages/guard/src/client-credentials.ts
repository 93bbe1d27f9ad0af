/**
 * The id and secret of a client as HTTP Basic, both form-encoded before they are joined.
 *
 * @see RFC 6749 section 2.3.1
 */
export function basicAuthorization({ clientId, clientSecret }: { clientId: string; clientSecret: string }): string {
  const encoded = new TextEncoder().encode(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`);
  return `Basic ${btoa(String.fromCharCode(...encoded))}`;
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
