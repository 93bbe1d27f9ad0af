import ipaddr from 'ipaddr.js';

/** Addresses that are public by their range, and yet reach into a cloud provider's own network. */
const PROVIDER_ADDRESSES = new Set(['168.63.129.16']);

/** Metadata services of cloud providers that have an address of a private network: they hand out credentials. */
const METADATA_SERVICES = new Set(['fd00:ec2::254', 'fd20:ce::254']);

/**
 * Whether an address belongs to the public internet.
 *
 * Everything with a special use does not (RFC 6890): loopback, private, shared, link-local with the metadata services,
 * documentation, multicast, and the IPv6 forms that carry an IPv4 address inside (mapped, translated, 6to4, Teredo).
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || PROVIDER_ADDRESSES.has(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  // Of IPv6 only 2000::/3 has been given out (RFC 4291 §2.4); what lies beyond it is nobody's yet.
  return parsed instanceof ipaddr.IPv4 || ((parsed.parts[0] ?? 0) & 0xe000) === 0x2000;
}

/**
 * Whether a server may be reached that the operator named: also one in a network of their own, and one on this machine
 * where `loopback` says so. What has another special use, such as metadata services, stays out of reach.
 */
export function isNamedServersAddress(address: string, { loopback }: { loopback: boolean }): boolean {
  if (isPublicAddress(address)) return true;
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (METADATA_SERVICES.has(parsed.toString())) return false;
  const range = parsed.range();
  return range === 'private' || range === 'uniqueLocal' || (loopback && range === 'loopback');
}
