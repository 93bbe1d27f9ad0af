import type { AdapterPayload } from 'oidc-provider';

/** Seconds since 1970, as the engine counts, to a moment. */
export function fromEpoch(seconds: number): Date {
  return new Date(seconds * 1000);
}

/** A moment to whole seconds since 1970. */
export function toEpoch(moment: Date): number {
  return Math.floor(moment.getTime() / 1000);
}

/** When a row expires: what the payload says, or else so many seconds from now. Undefined for what does not expire. */
export function expiryOf(payload: AdapterPayload, expiresIn: number | undefined, now: Date): Date | undefined {
  if (payload.exp !== undefined) return fromEpoch(payload.exp);
  return expiresIn === undefined ? undefined : new Date(now.getTime() + expiresIn * 1000);
}

/** {@link expiryOf} of what always expires. @throws {TypeError} when the engine gave no lifetime */
export function requiredExpiryOf(payload: AdapterPayload, expiresIn: number | undefined, now: Date): Date {
  const expiry = expiryOf(payload, expiresIn, now);
  if (!expiry) throw new TypeError('the payload has no lifetime');
  return expiry;
}

/** Reads a payload, or a part of one, that this package wrote. */
export function parsePayload(json: string): AdapterPayload {
  return JSON.parse(json) as AdapterPayload;
}

/** Reads a value that this package wrote as JSON; undefined for null. */
export function parseOptional<T>(json: string | null): T | undefined {
  return json === null ? undefined : (JSON.parse(json) as T);
}

/** JSON of a value; null for undefined. */
export function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** A payload without the keys that have no value: the engine distinguishes those from absent ones. */
export function present(payload: AdapterPayload): AdapterPayload {
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined && value !== null));
}

/** The text of a claim that every payload of this model has. @throws {TypeError} when it is missing */
export function required(payload: AdapterPayload, claim: 'accountId' | 'clientId' | 'grantId'): string {
  const value = payload[claim];
  if (typeof value !== 'string') throw new TypeError(`the payload has no ${claim}`);
  return value;
}
