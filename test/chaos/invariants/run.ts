import type { Invariant } from '../evidence';

/** Everything that may be read by somebody who must not know whom an order is for. */
const PLACES = [
  ['outbox', "payload::text || coalesce(subject, '') || coalesce(idempotency_key, '')"],
  ['step_receipts', `outcome::text || coalesce(answer_body, '')`],
  [
    'order_requests',
    `case when exists (select 1 from aftercommit.step_receipts r where r.order_id = t.order_id
     and r.step = 'commit' and r.op = 'do') then coalesce(body::text, '') else '' end`,
  ],
  ['deliveries', `coalesce(transformer::text, '') || coalesce(error_code, '') || coalesce(claimed_by, '')`],
  ['delivery_attempts', `coalesce(error, '') || coalesce(error_code, '')`],
  ['notification_attempts', `coalesce(error, '') || coalesce(error_code, '') || coalesce(claimed_by, '')`],
  ['refunds', `coalesce(reason, '') || coalesce(error_code, '')`],
  ['parked_steps', 'reason'],
  ['audit', 'detail::text'],
] as const;

/** The planted phone number is nowhere but in its own column. */
export const pii: Invariant = {
  name: 'INV-PII',
  async find({ database, canary, texts = [] }) {
    if (canary === undefined) return [];
    // Without its plus, which some encodings change.
    const digits = canary.replace(/\D/g, '');
    const query = PLACES.map(
      ([table, text]) =>
        `select '${table}' as place from aftercommit.${table} t where strpos(${text}, $1) > 0`,
    ).join(' union all ');
    const { rows } = await database.query<{ place: string }>(query, [digits]);
    const hits = texts.filter(({ text }) => text.includes(digits));
    return [...rows.map((row) => row.place), ...hits.map(({ name }) => name)].map(
      (place) => `${place} holds the phone number`,
    );
  },
};

const ATTEMPTED_MIN = 0.9;
const SUCCEEDED_MIN = 0.5;

/** The run did what it set out to do, and every planned fault struck: a test that did nothing proves nothing. */
export const nonVacuous: Invariant = {
  name: 'INV-NONVACUOUS',
  find({ counts }) {
    if (counts === undefined) return [];
    const { planned, attempted, succeeded, faults } = counts;
    const found: string[] = [];
    if (planned === 0 || attempted < planned * ATTEMPTED_MIN)
      found.push(`${attempted} of ${planned} attempted`);
    if (attempted === 0 || succeeded < attempted * SUCCEEDED_MIN)
      found.push(`${succeeded} of ${attempted} succeeded`);
    const idle = Object.keys(faults).filter((name) => faults[name] === 0);
    return [...found, ...idle.map((name) => `the fault ${name} never struck`)];
  },
};
