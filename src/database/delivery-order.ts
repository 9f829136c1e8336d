/** Conditions on a delivery `d`, in SQL, that every reader and sender of deliveries must agree on. */

/**
 * Has no outcome yet, for statements that know which rows they want. Said by what it is not: the words of the index over all open
 * deliveries would have them planned by that index, which is long while a target is down.
 */
export const isOpen = (delivery: string): string => `${delivery}.state not in ('DELIVERED', 'DEAD')`;

/**
 * Every lower seq of the same order (or subject) and target is delivered or dead; a replay is in order in itself. A dead
 * letter that was taken up again has lost its place: only others like it wait for it.
 */
export const IS_NEXT = `not exists (
  select 1 from aftercommit.deliveries e
  where e.aggregate_id = d.aggregate_id and e.target_name = d.target_name and e.seq < d.seq
    and ${isOpen('e')} and e.replay_id is not distinct from d.replay_id
    and (e.redriven_at is null or d.redriven_at is not null))`;

/** Neither its rule nor its target was told to wait. A rule or target that is gone holds nothing up. */
export const IS_NOT_PAUSED = `
  not exists (select 1 from aftercommit.rules r where r.name = d.rule_name and r.state = 'PAUSED')
  and not exists (select 1 from aftercommit.targets t where t.name = d.target_name and t.state = 'PAUSED')`;
