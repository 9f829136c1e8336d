-- The rule of the source documents: confirmed orders of ecommerce.orders. It goes to the log; their second rule, which
-- makes a text message of the event, is an example that is off, because the notify step tells the customer.
insert into aftercommit.targets (name, kind, config) values
  ('log', 'log', '{}'),
  -- The account is a placeholder and there is no connection yet: the rule below is off until both are yours.
  ('twilio-sms-example', 'http',
   '{"url": "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
     "method": "POST", "headers": {}, "encoding": "form", "timeoutMs": 5000}');
insert into aftercommit.rules (name, description, pattern, state) values
  ('order-confirmed-to-log', 'Writes every confirmed order to the log.',
   '{"source": ["ecommerce.orders"], "detail-type": ["order.confirmed"]}', 'ENABLED'),
  ('order-confirmed-to-twilio-example', 'An API destination at Twilio. Off: the notify step tells the customer already.',
   '{"source": ["ecommerce.orders"], "detail-type": ["order.confirmed"]}', 'DISABLED');
insert into aftercommit.rule_targets (rule_name, position, target_name, transformer) values
  ('order-confirmed-to-log', 0, 'log', null),
  ('order-confirmed-to-twilio-example', 0, 'twilio-sms-example',
   '{"inputPathsMap": {"order_id": "$.detail.orderId"},
     "inputTemplate": "{\"To\": \"<aftercommit.customer.phone>\", \"From\": \"+15005550006\", \"Body\": \"Order #<order_id> confirmed.\"}"}');
