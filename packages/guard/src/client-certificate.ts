const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]+={0,2}):$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const [PEM_BEGIN, PEM_END] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'];
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
  const base64 = BYTE_SEQUENCE.exec(value)?.[1] ?? base64InPem(unescaped(value));
  if (base64 === undefined) return undefined;
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Without one expression for all of it: what it would try grows with the cube of the blanks that somebody sends. */
function base64InPem(text: string): string | undefined {
  const framed = text.trimEnd();
  if (!framed.startsWith(PEM_BEGIN) || !framed.endsWith(PEM_END)) return undefined;
  const inner = framed.slice(PEM_BEGIN.length, -PEM_END.length);
  const base64 = inner.replace(/\s/g, '');
  return /^\s/.test(inner) && BASE64.test(base64) ? base64 : undefined;
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}
