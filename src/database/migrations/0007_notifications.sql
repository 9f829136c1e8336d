-- Writes what a person is to be told of an event, with its first attempt, in the transaction that writes the event. The
-- template's version, the language and the order of the channels are fixed here; whether the person may be told at all is
-- decided when it is sent. Nothing is written while the template is disabled. Idempotent by event, customer and template.
--
-- p_notification: notification_id, attempt_id, template
create function aftercommit.tell(p_event_id uuid, p_order_id uuid, p_notification jsonb, p_now timestamptz) returns void
language plpgsql volatile as $$
declare
  v_id       uuid := (p_notification ->> 'notification_id')::uuid;
  v_channels text[];
begin
  insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, template_version, language,
                                         channels, expires_at, created_at, updated_at)
  select v_id, p_event_id, p_order_id, o.customer_id, t.name, t.version, p.language,
         coalesce(p.channels, k.channels, '{}'),
         p_now + (t.definition ->> 'expiresAfterSeconds')::int * interval '1 second', p_now, p_now
  from aftercommit.orders o
  cross join lateral (select name, version, definition from aftercommit.templates
                      where name = p_notification ->> 'template' order by version desc limit 1) t
  left join aftercommit.order_contacts k on k.order_id = o.order_id
  left join aftercommit.customer_preferences p on p.customer_id = o.customer_id
  where o.order_id = p_order_id and t.definition ->> 'state' = 'ENABLED'
  on conflict do nothing
  returning channels into v_channels;
  if not found then return; end if;

  if cardinality(v_channels) = 0 then
    update aftercommit.notifications set status = 'SUPPRESSED', reason = 'no_channel', ended_at = p_now
    where notification_id = v_id;
  else
    insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at)
    values ((p_notification ->> 'attempt_id')::uuid, v_id, p_order_id, 1, v_channels[1], p_now);
  end if;
end $$;
