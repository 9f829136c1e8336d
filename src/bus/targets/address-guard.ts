import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { AppError, InvalidTargetError } from '../../errors';
import { REFUSED_PORTS } from './refused-ports';

/**
 * Keeps targets from being pointed at our own network (server-side request forgery). Three fences: the address as it is
 * written, checked when a target is stored; the names behind it, checked then too; and every connection that is opened,
 * because a name can point elsewhere by then. Source: bad-input, rows 39-43.
 */
export interface AddressPolicy {
  /** Loopback and private networks, `http:` and any port. Metadata services stay closed. */
  allowPrivate: boolean;
}

/** The address is not one that events may be sent to. Final for this delivery. */
export class AddressBlockedError extends AppError {
  static override readonly code = 'ssrf_blocked';
  static override readonly httpStatus = 422;
}

const URL_LENGTH_MAX = 2_048;
/** Bounds the wait for a slow name server while a target is stored. */
const NAME_CHECK_TIMEOUT_MS = 2_000;

/** IPv6 addresses that are routed on the internet. Source: IANA IPv6 Address Space, 2000::/3. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');
/** NAT64's well-known prefix: the last 32 bits are the IPv4 address that is reached. Source: RFC 6052. */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96');

/**
 * Where clouds hand out credentials: link-local of both families (AWS, GCP, Azure, DigitalOcean), AWS over IPv6, Alibaba,
 * Oracle, Azure's wire server. Never a receiver of events, so refused even where private addresses are allowed.
 */
const METADATA_RANGES = [
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::254/128',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
].map((range) => ipaddr.parseCIDR(range));
const METADATA_NAME =
  /^(metadata|metadata\.google\.internal|metadata\.goog|instance-data|instance-data\.ec2\.internal|metadata\.tencentyun\.com)$/;

/** Names that resolve on the own host or network only. Source: RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`. */
const LOCAL_NAME = /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home\.arpa)$/;
const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const HOST_NAME_LENGTH_MAX = 253;

/**
 * Checks a target's URL as it is written. Addresses in other spellings (decimal, octal, hexadecimal, full-width digits)
 * are judged by what the URL parser makes of them, which is also what is connected to.
 * @returns the parsed URL, whose `href` is what to store
 * @throws InvalidTargetError (not retryable), pointer `/url`
 */
export function checkTargetUrl(url: unknown, policy: AddressPolicy): URL {
  const parsed = parseUrl(url);
  const reason = urlRefusal(parsed, policy);
  if (reason !== null) throw refusal(reason);
  return parsed;
}

/**
 * Resolves the name in a URL that passed `checkTargetUrl` and refuses it when any of its addresses is not allowed. A name
 * that cannot be resolved now is accepted: each connection checks again.
 * @throws InvalidTargetError (not retryable), pointer `/url`
 */
export async function checkTargetName(
  url: URL,
  policy: AddressPolicy,
  lookup: LookupFunction = systemLookup,
): Promise<void> {
  const addresses = await resolveWithin(NAME_CHECK_TIMEOUT_MS, hostOf(url), lookup);
  if (addresses.some((address) => !isAllowedAddress(address, policy))) {
    throw refusal('The host name points to an address that is not public.');
  }
}

/**
 * A lookup for connections: fails with AddressBlockedError (`ssrf_blocked`) when any address behind the name is not
 * allowed, so that no order of the answers lets one through.
 */
export function guardedLookup(policy: AddressPolicy, lookup: LookupFunction = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, answer) => {
      if (error !== null) return callback(error, []);
      const addresses = answer as LookupAddress[];
      if (addresses.some(({ address }) => !isAllowedAddress(address, policy))) {
        return callback(
          new AddressBlockedError('The host name points to an address that is not public.'),
          [],
        );
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      if (first === undefined) return callback(notFound(hostname), []);
      callback(null, first.address, first.family);
    });
  };
}

/** The guard of every connection: names by `guardedLookup`, and literal addresses, for which Node asks no lookup. */
export function guardedConnector(
  policy: AddressPolicy & { timeoutMs: number; lookup?: LookupFunction | undefined },
): buildConnector.connector {
  const connect = buildConnector({
    timeout: policy.timeoutMs,
    lookup: guardedLookup(policy, policy.lookup),
  });
  return (options, callback) => {
    if (isIP(options.hostname) !== 0 && !isAllowedAddress(options.hostname, policy)) {
      callback(new AddressBlockedError('The address is not public.'), null);
    } else {
      connect(options, callback);
    }
  };
}

/**
 * True for an address that events may be sent to. An IPv6 address that stands for an IPv4 one (mapped, or NAT64, which
 * IPv6-only networks get from their name server) is judged by that one.
 * @param address - as Node writes it; anything else is not allowed
 */
export function isAllowedAddress(address: string, policy: AddressPolicy): boolean {
  if (!ipaddr.isValid(address)) return false;
  const reached = reachedAddress(ipaddr.parse(address));
  if (METADATA_RANGES.some((range) => matches(reached, range))) return false;
  if (policy.allowPrivate) return true;
  return reached.range() === 'unicast' && (reached.kind() === 'ipv4' || matches(reached, GLOBAL_IPV6));
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

function reachedAddress(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return matches(address, NAT64) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address;
}

function matches(address: Address, range: [Address, number]): boolean {
  return address.kind() === range[0].kind() && address.match(range);
}

function parseUrl(url: unknown): URL {
  if (typeof url !== 'string' || url === '') throw refusal('The URL is missing.');
  if (url.length > URL_LENGTH_MAX) {
    throw refusal(`The URL is longer than ${URL_LENGTH_MAX} characters.`);
  }
  // The parser drops tabs and line breaks and reads "\" as "/": what it connects to would not be what a person reads.
  if (/[\p{Cc}\s\\]/u.test(url)) {
    throw refusal('The URL has a space, a control character or a backslash.');
  }
  if (!/^[a-z]+:\/\/[^/?#]/i.test(url) || !URL.canParse(url)) throw refusal('This is not an absolute URL.');
  if (/^[a-z]+:\/\/[^/?#]*@/i.test(url)) {
    throw refusal('Credentials do not belong in the URL; use a connection.');
  }
  if (url.includes('#')) throw refusal('A fragment is never sent; leave it out.');
  return new URL(url);
}

function urlRefusal(url: URL, policy: AddressPolicy): string | null {
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && policy.allowPrivate)) {
    return policy.allowPrivate ? 'The scheme must be https or http.' : 'The scheme must be https.';
  }
  const port = url.port === '' ? null : Number(url.port);
  if (port === 0 || (port !== null && !policy.allowPrivate && REFUSED_PORTS.has(port))) {
    return `Port ${port} belongs to another protocol.`;
  }
  const host = hostOf(url);
  if (isIP(host) !== 0) return isAllowedAddress(host, policy) ? null : 'The address is not public.';
  return hostNameRefusal(host, policy);
}

function hostNameRefusal(host: string, policy: AddressPolicy): string | null {
  if (host.endsWith('.')) return 'The host name ends with a dot; leave it out.';
  if (!HOST_NAME.test(host) || host.length > HOST_NAME_LENGTH_MAX) return 'This is not a host name.';
  if (METADATA_NAME.test(host)) return 'The host is a metadata service.';
  if (policy.allowPrivate) return null;
  return LOCAL_NAME.test(host) || !host.includes('.') ? 'The host name is not public.' : null;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function resolveWithin(timeoutMs: number, host: string, lookup: LookupFunction): Promise<string[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve([]), timeoutMs);
    lookup(host, { all: true }, (error, answer) => {
      clearTimeout(timer);
      resolve(error === null ? (answer as LookupAddress[]).map(({ address }) => address) : []);
    });
  });
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`No address for ${hostname}`), { code: 'ENOTFOUND' });
}

function refusal(message: string): InvalidTargetError {
  return new InvalidTargetError(message, { fields: [{ pointer: '/url', message }] });
}
