import { readConfig } from '../../src/config';
import {
  DEFAULT_RETENTION,
  keptFrom,
  LONGEST_MANUAL_RETRY_DAYS,
  RETENTION_CLASSES,
  retentionDays,
} from '../../src/domain/retention';

const NOW = new Date('2026-11-21T08:00:00.000Z');

describe('retention', () => {
  it('keeps events for a year, orders for ever and keys for as long as a run may be reset, unless told otherwise', () => {
    const days = Object.fromEntries(
      RETENTION_CLASSES.map((of) => [of, retentionDays(of, DEFAULT_RETENTION)]),
    );

    expect(days).toEqual({
      events: 365,
      orders: null,
      requests: 90,
      workflowStarts: 90,
      participantReports: 90,
      providerCallbacks: 365,
      parkedSteps: 365,
      reconciliations: 365,
      replays: 365,
      redrives: 365,
      recipientDays: 2,
      groups: 90,
      saleCustomers: 365,
    });
  });

  it('is configured so when nothing is said', () => {
    const environment = {
      DATABASE_URL: 'postgres://localhost/db',
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
      TWILIO_AUTH_TOKEN: 'token',
      TWILIO_FROM: '+15005550006',
      AFTERCOMMIT_PAYMENT_URL: 'http://127.0.0.1:4011',
      AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
    };

    expect(readConfig(environment).retention).toEqual(DEFAULT_RETENTION);
    expect(() => readConfig({ ...environment, AFTERCOMMIT_KEY_RETENTION_DAYS: '89' })).toThrow(
      'AFTERCOMMIT_KEY_RETENTION_DAYS',
    );
    expect(() => readConfig({ ...environment, AFTERCOMMIT_ORDER_RETENTION_DAYS: '89' })).toThrow(
      'AFTERCOMMIT_ORDER_RETENTION_DAYS',
    );
  });

  it('counts days back from now', () => {
    expect(keptFrom('events', { ...DEFAULT_RETENTION, eventDays: 30 }, NOW)).toBe('2026-10-22T08:00:00.000Z');
    expect(keptFrom('orders', DEFAULT_RETENTION, NOW)).toBeNull();
  });

  it('never lets a receipt go before the longest manual retry is over, whatever is asked for', () => {
    const short = { eventDays: 1, orderDays: 1, keyDays: 1, operationDays: 1 };

    expect(retentionDays('orders', short)).toBe(LONGEST_MANUAL_RETRY_DAYS);
    expect(retentionDays('requests', short)).toBe(LONGEST_MANUAL_RETRY_DAYS);
    expect(retentionDays('workflowStarts', short)).toBe(LONGEST_MANUAL_RETRY_DAYS);
    expect(retentionDays('events', short)).toBe(1);
  });
});
