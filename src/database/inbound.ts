import type { Pool } from 'pg';
import type { Wish } from '../domain/inbound-words';
import { statement } from './transaction';

/** What a person wrote, as far as it is kept: never the text. */
export interface Inbound {
  phoneHash: string;
  channel: 'sms' | 'whatsapp';
  /** Null: neither STOP nor START. */
  wish: Wish | null;
}

/**
 * Remembers that a person wants no messages on this channel, or wants them again, and when WhatsApp's window opened.
 * Nothing is written of any other text message. Whoever writes START takes back an operator's opt-out too. Idempotent.
 */
export async function recordInbound(pool: Pool, { phoneHash, channel, wish }: Inbound): Promise<void> {
  if (channel === 'sms' && wish === null) return;
  await statement(
    pool,
    `insert into aftercommit.recipients as r (phone_hash, channel, opted_out_at, opt_out_source, last_inbound_at)
     values ($1, $2, case when $3 = 'stop' then now() end, case when $3 = 'stop' then 'inbound' end,
             case when $2 = 'whatsapp' then now() end)
     on conflict (phone_hash, channel) do update
       set opted_out_at = case $3 when 'stop' then coalesce(r.opted_out_at, now()) when 'start' then null else r.opted_out_at end,
           opt_out_source = case $3 when 'stop' then coalesce(r.opt_out_source, 'inbound') when 'start' then null else r.opt_out_source end,
           last_inbound_at = coalesce(excluded.last_inbound_at, r.last_inbound_at), updated_at = now()`,
    [phoneHash, channel, wish],
  );
}
