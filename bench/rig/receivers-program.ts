import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveProgram } from './child-program';
import { createClock } from './clock';
import type { ReceivedMessage, Receipts, ReceiversAnswer, ReceiversQuestion } from './receivers';

/** The program behind `startReceivers`. */

const ORDER_ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
const ACCOUNT = /^\/2010-04-01\/Accounts\/AC[0-9a-fA-F]{32}\/Messages\.json/;
/** An account has so many digits in its messages' names. */
const SID_DIGITS = 32;
const JSON_HEADERS = { 'content-type': 'application/json' };

let clock = createClock();
let receipts: Receipts = { events: new Map(), messages: [] };
/** What was posted, in the order of the messages. */
let forms: string[] = [];
let events = 0;
/** Never begins anew: a sid is given once. */
let sids = 0;

function onBody(req: IncomingMessage, use: (body: string) => void): void {
  let body = '';
  req.setEncoding('utf8');
  req.on('data', (chunk: string) => (body += chunk));
  req.on('end', () => use(body));
}

/** Takes one event or a list of them. */
function takeEvents(req: IncomingMessage, res: ServerResponse): void {
  onBody(req, (body) => {
    const parsed = JSON.parse(body) as { id: string } | { id: string }[];
    for (const { id } of Array.isArray(parsed) ? parsed : [parsed]) {
      receipts.events.set(id, (receipts.events.get(id) ?? 0) + 1);
      events += 1;
    }
    res.writeHead(200, JSON_HEADERS).end('{}');
  });
}

/** Answers as Twilio does to a message that it queues, and to looks for what it has. */
function takeMessage(req: IncomingMessage, res: ServerResponse): void {
  onBody(req, (form) => {
    const at = clock.now();
    if (req.method !== 'POST' || !ACCOUNT.test(req.url ?? '')) {
      answerLook(req.url ?? '', res);
      return;
    }
    sids += 1;
    const sid = `SM${sids.toString(16).padStart(SID_DIGITS, '0')}`;
    receipts.messages.push({ sid, orderId: ORDER_ID.exec(form)?.[0] ?? '', at });
    // Understood only when somebody asks for it: hardly ever.
    forms.push(form);
    res.writeHead(201, JSON_HEADERS).end(`{"sid":"${sid}","status":"queued","error_code":null}`);
  });
}

/** One message by its sid, or all to or from an address, newest first, on one page. */
function answerLook(path: string, res: ServerResponse): void {
  const url = new URL(path, 'http://localhost');
  const sid = /\/(SM[0-9a-f]{32})\.json$/.exec(url.pathname)?.[1];
  const found = receipts.messages
    .map((message, index) => resourceOf(message, forms[index] ?? ''))
    .filter((resource) =>
      sid === undefined
        ? ['To', 'From'].every((name) =>
            [null, resource[name.toLowerCase()]].includes(url.searchParams.get(name)),
          )
        : resource['sid'] === sid,
    )
    .reverse();
  if (sid === undefined)
    res.writeHead(200, JSON_HEADERS).end(JSON.stringify({ messages: found, next_page_uri: null }));
  else if (found[0] === undefined) res.writeHead(404, JSON_HEADERS).end('{"code":20404,"status":404}');
  else res.writeHead(200, JSON_HEADERS).end(JSON.stringify(found[0]));
}

function resourceOf({ sid, at }: ReceivedMessage, form: string): Record<string, string | null> {
  const parameters = new URLSearchParams(form);
  const date = new Date(at).toUTCString().replace('GMT', '+0000');
  return {
    sid,
    status: 'queued',
    direction: 'outbound-api',
    to: parameters.get('To'),
    from: parameters.get('From'),
    body: parameters.get('Body'),
    date_created: date,
    date_sent: null,
    date_updated: date,
    error_code: null,
  };
}

function listen(server: Server): Promise<number> {
  // Clients keep their connections between two cells.
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

const ports = Promise.all([listen(createServer(takeEvents)), listen(createServer(takeMessage))]);

serveProgram<ReceiversQuestion, ReceiversAnswer>(async ({ kind }) => {
  switch (kind) {
    case 'ports': {
      const [sinkPort, twilioPort] = await ports;
      return { sinkPort, twilioPort };
    }
    case 'reset':
      clock = createClock();
      receipts = { events: new Map(), messages: [] };
      forms = [];
      events = 0;
      return {};
    case 'counts':
      return { events, messages: receipts.messages.length };
    case 'receipts':
      return { receipts };
  }
});
