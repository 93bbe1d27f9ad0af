const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]+={0,2}):$/;
const PEM = /^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----\s*$/;
const LIMIT_CHARACTERS = 24 * 1024;

/**
 * Reads the one certificate that a TLS proxy passes in a header: as RFC 9440 writes it (base64 between colons), or as
 * PEM with percent escapes, as nginx (`$ssl_client_escaped_cert`) and Envoy (`%DOWNSTREAM_PEER_CERT%`) do.
 *
 * Not checked: who set the header, and whether the certificate is valid or trusted.
 *
 * @returns the certificate in DER, or undefined when the value has neither form
 * @see RFC 9440 section 2.2
 */
export function readClientCertificate(value: string): Uint8Array<ArrayBuffer> | undefined {
  if (value.length > LIMIT_CHARACTERS) return undefined;
  const base64 = BYTE_SEQUENCE.exec(value)?.[1] ?? PEM.exec(unescaped(value))?.[1];
  if (base64 === undefined) return undefined;
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}
