import type { Pool } from 'pg';

/**
 * The product never sends a key that is older than 20 hours, and gateways forget keys after 24 (source: reliability, payment
 * rules; Stripe, "Idempotent requests"). Here both happen 7,200 times as fast: every key of the product's looks 20 hours
 * older than it is, less these seconds.
 */
const TOO_OLD_AFTER_MS = 10_000;
/** What the simulated gateway is told: 24 hours in the same measure. */
export const KEY_LIFETIME_MS = (TOO_OLD_AFTER_MS * 24) / 20;

const AGE_KEYS = `
  create schema chaos;
  create function chaos.age_key() returns trigger language plpgsql as $$
  begin
    new.key_at := new.key_at - interval '20 hours' + interval '${TOO_OLD_AFTER_MS} milliseconds';
    return new;
  end $$;
  create trigger chaos_age_key before insert or update of key_at on aftercommit.payments
    for each row execute function chaos.age_key();
  create trigger chaos_age_key before insert or update of key_at on aftercommit.refunds
    for each row execute function chaos.age_key()`;

/** From now on keys grow old fast. Only for a database of a test's own. */
export async function hastenKeys(pool: Pool): Promise<void> {
  await pool.query(AGE_KEYS);
}
