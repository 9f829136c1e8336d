import type { LookupFunction } from 'node:net';
import fc from 'fast-check';
import {
  checkTargetName,
  checkTargetUrl,
  guardedConnector,
  guardedLookup,
  isAllowedAddress,
} from '../../../src/bus/targets/address-guard';
import { InvalidTargetError } from '../../../src/errors';

const PUBLIC_ONLY = { allowPrivate: false };
const PRIVATE_TOO = { allowPrivate: true };

function accepts(url: unknown, policy = PUBLIC_ONLY): boolean {
  try {
    checkTargetUrl(url, policy);
    return true;
  } catch (error) {
    if (!(error instanceof InvalidTargetError)) throw error;
    expect(error.fields).toEqual([{ pointer: '/url', message: error.message }]);
    return false;
  }
}

function answering(...addresses: string[]): LookupFunction {
  return (_name, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
}

describe('a URL', () => {
  it.each([
    'https://example.com',
    'https://hooks.example.com:8443/a?b=c',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://[64:ff9b::808:808]/',
    'https://bücher.example/',
    'https://internal.example.com/',
    'https://localhost.example.com/',
  ])('%s is accepted', (url) => {
    expect(accepts(url)).toBe(true);
  });

  it.each([
    // Schemes and forms (row 39).
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'javascript:alert(1)',
    'https://',
    'https:///example.com',
    'https:example.com',
    'example.com',
    '/hook',
    '',
    `https://example.com/${'a'.repeat(2_048)}`,
    'https://exam\nple.com/',
    'https://example.com\\@evil.example/',
    ' https://example.com/',
    // Addresses (row 40).
    'https://127.0.0.1/',
    'https://localhost/',
    'https://LOCALHOST/',
    'https://foo.localhost/',
    'https://localhost./',
    'https://[::1]/',
    'https://[::]/',
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.0.1/',
    'https://169.254.169.254/',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://[fc00::1]/',
    'https://[fe80::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[64:ff9b:1::808:808]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:db8::1]/',
    'https://[ff02::1]/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://198.18.0.1/',
    'https://168.63.129.16/',
    'https://metadata.google.internal/',
    'https://metadata/',
    'https://instance-data/',
    'https://printer/',
    'https://db.internal/',
    'https://nas.local/',
    'https://router.home.arpa/',
    // Spellings of 127.0.0.1.
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://127.0.0.1./',
    'https://①②⑦.⓪.⓪.①/',
    'https://%31%32%37.0.0.1/',
    // Parts (row 41).
    'https://good@169.254.169.254/',
    'https://user:password@example.com/',
    'https://@example.com/',
    'https://example.com/#part',
    'https://example.com/#',
    'https://example.com:22/',
    'https://example.com:25/',
    'https://example.com:6379/',
    'https://example.com:5432/',
    'https://example.com:0/',
    'https://ex_ample.com/',
    'https://example.com./',
    'https://-a.example.com/',
    `https://${'a'.repeat(64)}.example.com/`,
    null,
    42,
  ])('%s is refused', (url) => {
    expect(accepts(url)).toBe(false);
  });

  it.each([
    'http://127.0.0.1:4012/hook',
    'http://localhost:22/',
    'https://10.0.0.1/',
    'http://[::1]/',
    'http://sink/',
  ])('%s is accepted where private targets are allowed', (url) => {
    expect(accepts(url, PRIVATE_TOO)).toBe(true);
  });

  it.each([
    'ftp://127.0.0.1/',
    'http://user@127.0.0.1/',
    'http://127.0.0.1/#part',
    'http://169.254.169.254/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://100.100.100.200/',
    'http://metadata.google.internal/',
    'http://127.0.0.1:0/',
  ])('%s is refused even where private targets are allowed', (url) => {
    expect(accepts(url, PRIVATE_TOO)).toBe(false);
  });
});

describe('any address', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const publicIpv4 = fc
    .tuple(fc.constantFrom(1, 8, 34, 52, 93, 151, 185, 208), octet, octet, octet)
    .filter(([first, second]) => !(first === 185 && second === 0));
  const privateIpv4 = fc.oneof(
    fc.tuple(fc.constantFrom(0, 10, 127, 224, 239, 240, 255), octet, octet, octet),
    fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
    fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
    fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
    fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
    fc.tuple(fc.constant(198), fc.constantFrom(18, 19), octet, octet),
  );
  type Octets = [number, number, number, number];
  const hexadecimal = (value: number): string => value.toString(16);
  const low32 = ([a, b, c, d]: Octets): string => `${hexadecimal(a * 256 + b)}:${hexadecimal(c * 256 + d)}`;
  const whole = ([a, b, c, d]: Octets): number => ((a * 256 + b) * 256 + c) * 256 + d;
  const spelling = fc.constantFrom<(octets: Octets) => string>(
    (octets) => octets.join('.'),
    (octets) => String(whole(octets)),
    (octets) => `0x${hexadecimal(whole(octets))}`,
    (octets) => `0${whole(octets).toString(8)}`,
    ([a, b, c, d]) => `0x${hexadecimal(a)}.0${b.toString(8)}.${c * 256 + d}`,
    ([a, b, c, d]) => `${a}.${(b * 256 + c) * 256 + d}`,
    (octets) => `[::ffff:${octets.join('.')}]`,
    (octets) => `[0:0:0:0:0:FFFF:${low32(octets)}]`,
    (octets) => `[64:ff9b::${low32(octets)}]`,
  );

  it('that is private is refused in any spelling', () => {
    fc.assert(
      fc.property(privateIpv4, spelling, (octets, spell) => {
        expect(accepts(`https://${spell(octets)}/`)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('that is public is accepted in any spelling', () => {
    fc.assert(
      fc.property(publicIpv4, spelling, (octets, spell) => {
        expect(accepts(`https://${spell(octets)}/`)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of IPv6 is accepted only where the internet routes it', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = groups.map(hexadecimal).join(':');
        const global = groups[0] !== undefined && groups[0] >= 0x2000 && groups[0] <= 0x3fff;

        if (!global) expect(isAllowedAddress(address, PUBLIC_ONLY)).toBe(false);
        else if (groups[0] === 0x2a00) expect(isAllowedAddress(address, PUBLIC_ONLY)).toBe(true);
      }),
      { numRuns: 1_000, examples: [[[0x2a00, 1, 2, 3, 4, 5, 6, 7]], [[0xfd12, 1, 2, 3, 4, 5, 6, 7]]] },
    );
  });

  it('that is none is refused', () => {
    for (const text of ['', 'example.com', '1.2.3', '::g', '1.2.3.4.5']) {
      expect(isAllowedAddress(text, PRIVATE_TOO)).toBe(text === '1.2.3');
    }
  });
});

describe('a host name', () => {
  const url = new URL('https://hooks.example.com/');

  it('that points to a private address is refused when it is stored', async () => {
    await expect(checkTargetName(url, PUBLIC_ONLY, answering('8.8.8.8', '10.0.0.1'))).rejects.toMatchObject({
      code: 'invalid_target',
      fields: [{ pointer: '/url' }],
    });
  });

  it('that is public, private where allowed, or not known now is stored', async () => {
    const unknown: LookupFunction = (_name, _options, callback) =>
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);

    await checkTargetName(url, PUBLIC_ONLY, answering('8.8.8.8'));
    await checkTargetName(url, PRIVATE_TOO, answering('10.0.0.1'));
    await checkTargetName(url, PUBLIC_ONLY, unknown);
  });

  it.each([{ all: true }, { all: false }, {}])(
    'is looked up with %j as Node expects the answer',
    (options) => {
      const callback = jest.fn();

      guardedLookup(PUBLIC_ONLY, answering('8.8.8.8', '2606:4700::1111'))(
        'hooks.example.com',
        options,
        callback,
      );

      const all = [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1111', family: 6 },
      ];
      expect(callback.mock.calls).toEqual([options.all === true ? [null, all] : [null, '8.8.8.8', 4]]);
    },
  );

  it.each([{ all: true }, {}])('fails its lookup when any address is private: %j', (options) => {
    const callback = jest.fn();

    guardedLookup(PUBLIC_ONLY, answering('8.8.8.8', '::1'))('hooks.example.com', options, callback);

    expect(callback).toHaveBeenCalledTimes(1);
    expect(callback).toHaveBeenCalledWith(expect.objectContaining({ code: 'ssrf_blocked' }), []);
  });

  it('fails its lookup when there is no address', () => {
    const callback = jest.fn();

    guardedLookup(PUBLIC_ONLY, answering())('hooks.example.com', {}, callback);

    expect(callback).toHaveBeenCalledWith(expect.objectContaining({ code: 'ENOTFOUND' }), []);
  });
});

it('a literal address, which no lookup sees, is checked by the connector', () => {
  const connect = guardedConnector({ ...PUBLIC_ONLY, timeoutMs: 1_000 });
  const callback = jest.fn();

  connect({ hostname: '::ffff:127.0.0.1', protocol: 'https:', port: '443' }, callback);

  expect(callback).toHaveBeenCalledWith(expect.objectContaining({ code: 'ssrf_blocked' }), null);
});
