-- The first version of every template. What is urgent is not held back by quiet hours: people wait for these two. Calls do
-- not say the order id: nobody remembers 36 spoken characters. No template of WhatsApp is named, because accounts differ:
-- until one is, people who did not write within 24 hours are told by SMS. News of yesterday helps nobody, so all expire
-- after a day. A call that nobody can find again is not repeated: it would ring twice.
insert into aftercommit.templates (name, version, actor, definition) values
  ('order.confirmed', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": true,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId> confirmed."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId> confirmed."},
      {"language": "en", "channel": "voice", "body": "Hello. Your order is confirmed. Thank you."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId> bestätigt."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId> bestätigt."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Ihre Bestellung ist bestätigt. Vielen Dank."}
    ]
  }$json$),
  ('order.payment_failed', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": true,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Payment for order #<orderId> failed. Anything taken goes back to you."},
      {"language": "en", "channel": "sms", "body": "Payment for order #<orderId> failed. Anything taken goes back to you."},
      {"language": "en", "channel": "voice", "body": "Hello. The payment for your order failed. Anything taken goes back to you."},
      {"language": "de", "channel": "whatsapp", "body": "Die Zahlung für Bestellung #<orderId> ist fehlgeschlagen. Es wurde nichts abgebucht."},
      {"language": "de", "channel": "sms", "body": "Die Zahlung für Bestellung #<orderId> ist fehlgeschlagen. Es wurde nichts abgebucht."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Die Zahlung für Ihre Bestellung ist fehlgeschlagen. Es wurde nichts abgebucht."}
    ]
  }$json$),
  ('order.cancelled', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": false,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId> cancelled."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId> cancelled."},
      {"language": "en", "channel": "voice", "body": "Hello. Your order was cancelled."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId> storniert."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId> storniert."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Ihre Bestellung wurde storniert."}
    ]
  }$json$),
  ('order.refunded', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": false,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId>: <amount> refunded."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId>: <amount> refunded."},
      {"language": "en", "channel": "voice", "body": "Hello. <amount> of your order was refunded."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId>: <amount> erstattet."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId>: <amount> erstattet."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. <amount> Ihrer Bestellung wurden erstattet."}
    ]
  }$json$),
  ('order.shipped', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": false,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId> shipped."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId> shipped."},
      {"language": "en", "channel": "voice", "body": "Hello. Your order was shipped."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId> versandt."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId> versandt."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Ihre Bestellung wurde versandt."}
    ]
  }$json$),
  ('order.delivered', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": false,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId> delivered."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId> delivered."},
      {"language": "en", "channel": "voice", "body": "Hello. Your order was delivered."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId> zugestellt."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId> zugestellt."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Ihre Bestellung wurde zugestellt."}
    ]
  }$json$),
  ('order.expired', 1, 'aftercommit', $json${
    "state": "ENABLED",
    "urgent": false,
    "expiresAfterSeconds": 86400,
    "onAmbiguous": {"whatsapp": "resend", "sms": "resend", "voice": "hold"},
    "defaultLanguage": "en",
    "contents": [
      {"language": "en", "channel": "whatsapp", "body": "Order #<orderId> expired: it was not paid in time. Anything taken goes back to you."},
      {"language": "en", "channel": "sms", "body": "Order #<orderId> expired: it was not paid in time. Anything taken goes back to you."},
      {"language": "en", "channel": "voice", "body": "Hello. Your order expired, because it was not paid in time. Anything taken goes back to you."},
      {"language": "de", "channel": "whatsapp", "body": "Bestellung #<orderId> ist verfallen: Sie wurde nicht rechtzeitig bezahlt. Es wurde nichts abgebucht."},
      {"language": "de", "channel": "sms", "body": "Bestellung #<orderId> ist verfallen: Sie wurde nicht rechtzeitig bezahlt. Es wurde nichts abgebucht."},
      {"language": "de", "channel": "voice", "body": "Guten Tag. Ihre Bestellung ist verfallen, weil sie nicht rechtzeitig bezahlt wurde. Es wurde nichts abgebucht."}
    ]
  }$json$);
