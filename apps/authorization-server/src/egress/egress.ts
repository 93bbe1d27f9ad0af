import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { inSpan, outgoingSpan } from '@portcullis/platform/watching';
import { buildConnector, Client, type Dispatcher, errors } from 'undici';
import { fetchTarget } from './fetch-target.ts';
import { isPublicAddress } from './public-address.ts';

/**
 * Why nothing came back: the URL is of a form that is not fetched, its host has no address or one that is not public,
 * the connection failed, it took too long, it was too much, or too many fetches are under way.
 */
export type EgressFailure = 'url' | 'unresolved' | 'address' | 'network' | 'slow' | 'too_large' | 'busy';

/** An answer, whatever its status. A redirect is an answer too: it is never followed. */
export type EgressAnswer = {
  status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  body: Buffer;
};

/** What came of a fetch. */
export type EgressResult = { ok: true; answer: EgressAnswer } | { ok: false; failure: EgressFailure };

/** What is sent, where it is not a GET without a body. */
export type EgressRequest = {
  method?: 'GET' | 'POST' | 'DELETE';
  headers?: Readonly<Record<string, string>>;
  body?: string | undefined;
};

/** Fetches a document. The only door through which this server fetches anything. */
export type Egress = (url: string, request?: EgressRequest) => Promise<EgressResult>;

/** Servers that the operator named. */
type TrustedServers = {
  /** Scheme, host and port. */
  origins: readonly string[];
  /** Which addresses these may have. */
  mayConnectTo(address: string): boolean;
};

/** How connections are made. Tests lead them to a server of their own; there is no other way to change it. */
export type EgressNetwork = {
  /** All addresses of a host. */
  lookup(hostname: string): Promise<LookupAddress[]>;
  mayConnectTo(address: string): boolean;
  /** Certificates to trust in place of the system's, as PEM. */
  ca?: string;
  /** The port to connect to in place of the URL's. */
  port?: number;
};

/** What an egress is made with. */
export type EgressOptions = {
  /** Ports that may be fetched from beside 443. */
  ports?: readonly number[];
  /** What is not as on the internet. */
  network?: Partial<EgressNetwork> | undefined;
  /** 5,120 bytes by default (the CIMD draft's advice). */
  maxSizeBytes?: number;
  /** From the look-up of the host to the last byte; 5,000 ms by default. */
  timeoutMs?: number;
  /** How many fetches may run at once; 20 by default. */
  maxConcurrent?: number;
  /** What is asked for, as the `Accept` header says it; JSON by default. */
  accept?: string;
  /** None by default: then every URL is a stranger's. */
  trusted?: TrustedServers;
};

const internet: EgressNetwork = {
  lookup: (hostname) => dns.lookup(hostname, { all: true, order: 'verbatim' }),
  mayConnectTo: isPublicAddress,
};

/**
 * Makes the function that fetches documents whose URLs strangers chose (AS-30), and that speaks to servers that the
 * operator named.
 *
 * The addresses of a host are checked as the connection is made, with the very ones that it is made to, so that a name
 * cannot answer differently in between; one address that is not public spoils the name. Nothing is shared with other
 * requests: no cookies, no cached connection, no proxy from the environment, no redirect, no compression.
 */
export function createEgress(options: EgressOptions = {}): Egress {
  const network = { ...internet, ...options.network };
  const { ports = [], maxConcurrent = 20 } = options;
  const { maxSizeBytes = 5 * 1024, timeoutMs = 5000, accept = 'application/json' } = options;
  const { trusted = { origins: [], mayConnectTo: () => false } } = options;
  let running = 0;
  return async (text, request = {}) => {
    const url = fetchTarget(text, { ports, trusted: trusted.origins });
    if (!url) return { ok: false, failure: 'url' };
    if (running >= maxConcurrent) return { ok: false, failure: 'busy' };
    running += 1;
    try {
      const { mayConnectTo } = trusted.origins.includes(url.origin) ? trusted : network;
      const fetching = { network: { ...network, mayConnectTo }, maxSizeBytes, timeoutMs, accept };
      return { ok: true, answer: await sendInSpan(url, request, fetching) };
    } catch (cause) {
      return { ok: false, failure: failureOf(cause) };
    } finally {
      running -= 1;
    }
  };
}

/** A failure that is known by its cause. */
class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly failure: EgressFailure;

  constructor(failure: EgressFailure, options?: ErrorOptions) {
    super(failure, options);
    this.failure = failure;
  }
}

type Fetching = { network: EgressNetwork; maxSizeBytes: number; timeoutMs: number; accept: string };

/** Strangers are told nothing of the trace. */
function sendInSpan(url: URL, request: EgressRequest, fetching: Fetching): Promise<EgressAnswer> {
  return inSpan(outgoingSpan(request.method ?? 'GET', url), async (span) => {
    const answer = await send(url, request, fetching);
    span.note({ 'http.response.status_code': answer.status });
    if (answer.status >= 400) span.fail(String(answer.status));
    return answer;
  });
}

async function send(
  url: URL,
  { method = 'GET', headers, body }: EgressRequest,
  { network, maxSizeBytes, timeoutMs, accept }: Fetching,
): Promise<EgressAnswer> {
  // A literal address is connected to without a look-up.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !network.mayConnectTo(literal)) throw new EgressError('address');
  const client = new Client(url.origin, { connect: connector(network, timeoutMs), maxHeaderSize: 16_384 });
  try {
    const answer = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { accept, ...headers, 'accept-encoding': 'identity', 'user-agent': 'Portcullis' },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(timeoutMs),
      reset: true,
    });
    return {
      status: answer.statusCode,
      header: (name) => [answer.headers[name] ?? []].flat()[0],
      body: await readUpTo(answer.body, maxSizeBytes),
    };
  } finally {
    await client.destroy();
  }
}

function connector(network: EgressNetwork, timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({
    timeout: timeoutMs,
    lookup: checkedLookup(network),
    ...(network.ca !== undefined && { ca: network.ca }),
  });
  return (options, callback) =>
    connect({ ...options, ...(network.port !== undefined && { port: String(network.port) }) }, callback);
}

function checkedLookup(network: EgressNetwork): LookupFunction {
  return (hostname, options, callback) => {
    addressesOf(hostname, network).then(
      (addresses) => {
        const [first] = addresses;
        if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (cause: EgressError) => callback(cause, ''),
    );
  };
}

async function addressesOf(hostname: string, network: EgressNetwork): Promise<[LookupAddress, ...LookupAddress[]]> {
  const addresses = await network.lookup(hostname).catch((cause: unknown) => {
    throw new EgressError('unresolved', { cause });
  });
  const [first, ...others] = addresses;
  if (!first) throw new EgressError('unresolved');
  if (!addresses.every(({ address }) => network.mayConnectTo(address))) throw new EgressError('address');
  return [first, ...others];
}

async function readUpTo(body: Dispatcher.ResponseData['body'], maxSizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.length;
    if (sizeBytes > maxSizeBytes) throw new EgressError('too_large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function failureOf(cause: unknown): EgressFailure {
  if (cause instanceof EgressError) return cause.failure;
  const slow =
    cause instanceof errors.ConnectTimeoutError ||
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError ||
    (cause instanceof DOMException && cause.name === 'TimeoutError');
  return slow ? 'slow' : 'network';
}
