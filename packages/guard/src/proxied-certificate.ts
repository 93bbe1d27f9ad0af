import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readClientCertificate } from './client-certificate.ts';

/** How a TLS proxy in front hands on the certificates of its clients. */
export type CertificateProxy = Readonly<{
  /** The header that it sets on every request, and takes away where a client sent none or set it itself. */
  header: string;
  /** Addresses and networks (`10.0.0.0/8`) of the proxy: only on a connection from there the header counts. */
  proxies: readonly string[];
}>;

/** Finds the certificate of a request's client, in DER; undefined when there is none that can be trusted. */
export type CertificateSource = (message: IncomingMessage) => Uint8Array<ArrayBuffer> | undefined;

const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/i;
const TAKEN =
  /^(authorization|connection|content-.*|cookie|dpop|forwarded|host|mcp-.*|origin|transfer-encoding|x-forwarded-.*)$/i;

/**
 * Takes certificates from a header that a TLS proxy sets. The header counts only on connections from the proxy's own
 * addresses, and only when it is there once: a client that reaches the server past the proxy, or whose own header the
 * proxy passed on beside its own, has no certificate.
 *
 * The proxy must replace the header on every request, also where the client showed no certificate; nothing here can
 * tell a header that it let through from one that it set.
 *
 * @throws TypeError when the settings cannot be safe
 */
export function certificateFromProxy(proxy: CertificateProxy): CertificateSource {
  const problems = certificateProxyProblems(proxy);
  if (problems.length > 0) throw new TypeError(`Client certificates cannot be taken: ${problems.join('; ')}.`);
  const header = proxy.header.toLowerCase();
  const trusted = new BlockList();
  for (const entry of proxy.proxies) addNetwork(trusted, entry);
  return (message) => {
    if (!isListed(trusted, message.socket.remoteAddress)) return undefined;
    const [value, ...others] = message.headersDistinct[header] ?? [];
    return value === undefined || others.length > 0 ? undefined : readClientCertificate(value);
  };
}

/** What is wrong with the settings of {@link certificateFromProxy}, in words that follow the setting's name. */
export function certificateProxyProblems({ header, proxies }: CertificateProxy): string[] {
  return [
    ...(HEADER_NAME.test(header) ? [] : ['the header has no valid name']),
    ...(TAKEN.test(header) ? ['the header has another meaning: use client-cert, for example'] : []),
    ...(proxies.length > 0 ? [] : ['the addresses of the proxy are missing']),
    ...(proxies.every(isNetwork) ? [] : ['the addresses of the proxy must be like 10.0.0.1, 10.0.0.0/8 or fd00::/8']),
  ];
}

/** The certificate of the connection itself, where Node.js terminates TLS and asks for one. */
export function certificateOfConnection(message: IncomingMessage): Uint8Array<ArrayBuffer> | undefined {
  const { socket } = message;
  const certificate = isTls(socket) ? socket.getPeerX509Certificate() : undefined;
  return certificate && new Uint8Array(certificate.raw);
}

function isTls(socket: IncomingMessage['socket']): socket is TLSSocket {
  return 'getPeerX509Certificate' in socket;
}

function isNetwork(entry: string): boolean {
  const [address = '', prefix, ...rest] = entry.split('/');
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (longest < 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) > 0 && Number(prefix) <= longest);
}

function addNetwork(list: BlockList, entry: string): void {
  const [address = '', prefix] = entry.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
}

function isListed(list: BlockList, address: string | undefined): boolean {
  // A link-local address comes with the name of its interface.
  const bare = address?.replace(/%.*$/, '') ?? '';
  return isIP(bare) !== 0 && list.check(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4');
}
