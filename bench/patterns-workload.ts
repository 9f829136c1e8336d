import type { Rule } from '../src/bus/route';

/** What is measured: rules of one kind, how many of them, and events that meet them. */
export interface Workload {
  name: string;
  patterns: readonly unknown[];
  events: readonly object[];
}

export const RULE_COUNTS = [1, 100, 1_000];
const EVENTS = 500;
const EVENT_TYPES = ['placed', 'confirmed', 'payment_failed', 'cancelled', 'refunded'];
const SHOPS = 1_000;

/** A rule of one shop, as tenants have them: the same source, one of five types, a shop, and an amount. */
function shopPattern(position: number): unknown {
  return {
    source: ['ecommerce.orders'],
    'detail-type': [`order.${EVENT_TYPES[position % EVENT_TYPES.length]}`],
    detail: {
      shop: [`shop_${position}`],
      totalMinor: [{ numeric: ['>=', 100] }],
      lines: { sku: [{ prefix: 'SKU-' }] },
    },
  };
}

/** As rules select by parts of a name. */
function prefixPattern(position: number): unknown {
  return {
    source: [{ prefix: 'ecommerce.' }],
    detail: {
      shop: [{ wildcard: `shop_${position}*` }],
      totalMinor: [{ numeric: ['>=', 100, '<', 100_000 + position] }],
    },
  };
}

/** As rules select by how a name ends and by amounts, without any value or beginning of one. */
function suffixPattern(position: number): unknown {
  return {
    source: [{ suffix: '.orders' }],
    detail: {
      shop: [{ suffix: `p_${position}` }],
      totalMinor: [{ numeric: ['>=', 100, '<', 100_000 + position] }],
    },
  };
}

/** Events of 1,000 shops in turn: with n rules, n in a thousand events have a rule of their shop. */
function orderEvent(position: number): object {
  const shop = (position * 7) % SHOPS;
  return {
    id: `evt_${position}`,
    source: 'ecommerce.orders',
    'detail-type': `order.${EVENT_TYPES[shop % EVENT_TYPES.length]}`,
    time: '2026-08-01T12:00:00.000Z',
    detail: {
      orderId: `ord_${position}`,
      seq: 1 + (position % 5),
      shop: `shop_${shop}`,
      customer: `cus_${position % 97}`,
      totalMinor: 150 + ((position * 131) % 5_000),
      currency: 'EUR',
      lines: [
        { sku: `SKU-${position % 50}`, quantity: 1, priceMinor: 999 },
        { sku: `SKU-${(position + 1) % 50}`, quantity: 2, priceMinor: 499 },
      ],
      address: { country: 'DE', city: 'Berlin', ip: `10.0.${position % 256}.7` },
    },
  };
}

export function workloads(): Workload[] {
  const events = Array.from({ length: EVENTS }, (_, position) => orderEvent(position));
  const kinds = [
    { name: 'exact values', patternAt: shopPattern },
    { name: 'prefixes and wildcards', patternAt: prefixPattern },
    { name: 'suffixes and ranges', patternAt: suffixPattern },
  ];
  return kinds.flatMap(({ name, patternAt }) =>
    RULE_COUNTS.map((count) => ({
      name,
      patterns: Array.from({ length: count }, (_, position) => patternAt(position)),
      events,
    })),
  );
}

export function rulesOf(workload: Workload): Rule[] {
  return workload.patterns.map((pattern, position) => ({
    name: `rule-${String(position).padStart(4, '0')}`,
    pattern,
    state: 'ENABLED',
    targets: [{ target: 'log', transformer: null }],
  }));
}
