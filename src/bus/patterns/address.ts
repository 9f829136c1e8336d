import { IPv6 as IPv6Address } from 'ipaddr.js';

/** An IP address as groups of 16 bits: two for IPv4, eight for IPv6. An IPv4-mapped IPv6 address is the IPv4 one. */
export type Address = readonly number[];

/** A block of addresses: those that share the first bits with one of them. */
export interface AddressBlock {
  address: Address;
  prefixBits: number;
}

const GROUP_BITS = 16;
const GROUP_DIGITS = 4;
const DIGIT_BITS = 4;
const IPV4_GROUPS = 2;
const OCTET_MAX = 255;
/** The shape comes first: most texts are no address, and ipaddr.js would take forms that event-ruler does not. */
const IPV4 = /^(\d{1,12})\.(\d{1,12})\.(\d{1,12})\.(\d{1,12})$/;
const IPV6 = /^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/;
/** Characters of the longest address that Java reads as IPv4; for IPv6 more than eight groups of four, for zeros in front. */
const IPV4_LENGTH_MAX = 15;
const IPV6_LENGTH_MAX = 64;
/** Java takes any number of them in an IPv6 group, ipaddr.js no more than fill four digits. */
const LEADING_ZEROS = /(?<![0-9a-fA-F])0+(?=[0-9a-fA-F])/g;
const BLOCK = /^([^/]*)\/(\d{1,3})$/;

/** @returns null when the text is not an IPv4 or IPv6 address */
export function parseAddress(text: string): Address | null {
  if (text.length > IPV6_LENGTH_MAX) return null;
  if (text.includes(':')) return IPV6.test(text) ? parseIpv6(text) : null;
  return text.length > IPV4_LENGTH_MAX ? null : parseIpv4(text);
}

/** Octets are decimal, also with leading zeros, as Java reads them; others would read those as octal. */
function parseIpv4(text: string): Address | null {
  const octets = IPV4.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > OCTET_MAX)) return null;
  const [first = 0, second = 0, third = 0, fourth = 0] = octets;
  return [first * 256 + second, third * 256 + fourth];
}

function parseIpv6(text: string): Address | null {
  const plain = text.replaceAll(LEADING_ZEROS, '');
  if (!IPv6Address.isValid(plain)) return null;
  const address = IPv6Address.parse(plain);
  return address.isIPv4MappedAddress() ? address.parts.slice(-IPV4_GROUPS) : address.parts;
}

/**
 * Reads `10.0.0.0/8` or `2001:db8::/32`. The address need not be the block's first.
 * @returns null when it is not such a block. A block of one address (`/32`, `/128`) is none, as in event-ruler: write
 *   the address itself
 */
export function parseAddressBlock(text: string): AddressBlock | null {
  const [, addressText, bitsText] = BLOCK.exec(text) ?? [];
  if (addressText === undefined || bitsText === undefined) return null;
  const address = parseAddress(addressText);
  const prefixBits = Number(bitsText);
  if (address === null || prefixBits >= address.length * GROUP_BITS) return null;
  return { address, prefixBits };
}

/** True when the address is in the block. One family is never in a block of the other. */
export function blockHolds(block: AddressBlock, address: Address): boolean {
  if (address.length !== block.address.length) return false;
  return block.address.every((group, index) => {
    const bits = Math.min(GROUP_BITS, Math.max(0, block.prefixBits - index * GROUP_BITS));
    const mask = 0xffff - (0xffff >> bits);
    return (group & mask) === ((address[index] ?? 0) & mask);
  });
}

/** The family and the address in hexadecimal digits: the same for each spelling of an address, and for no other. */
export function addressDigits(address: Address): string {
  return familyOf(address) + address.map((group) => group.toString(16).padStart(GROUP_DIGITS, '0')).join('');
}

/** How the digits of each address in the block begin; up to three of the block's bits are left out. */
export function blockDigits({ address, prefixBits }: AddressBlock): string {
  const digits = Math.floor(prefixBits / DIGIT_BITS);
  return addressDigits(address).slice(0, familyOf(address).length + digits);
}

function familyOf(address: Address): string {
  return address.length === IPV4_GROUPS ? 'IPv4 ' : 'IPv6 ';
}

export function sameAddress(left: Address, right: Address): boolean {
  return left.length === right.length && left.every((group, index) => group === right[index]);
}
