import type { WebhookSecret } from '../../../src/bus/targets/connection';
import { createHttpTarget } from '../../../src/bus/targets/http';
import { parseHttpTargetConfig, type HttpTargetConfig } from '../../../src/bus/targets/http-config';
import type { Target } from '../../../src/bus/targets/target';
import { verifyWebhook } from '../../../src/consumer/webhook-signature';
import { CONTRACT_EVENT, CONTRACT_NOW, CONTRACT_REQUEST } from '../../contract/target';
import { openSink, type Sink } from './sink';

const CURRENT = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const PREVIOUS = 'whsec_c2VjcmV0LW9mLWEtcm90YXRlZC1lbmRwb2ludA==';
const SIGNATURE: WebhookSecret = { kind: 'webhook_secret', secret: CURRENT, previousSecret: PREVIOUS };

let sink: Sink;
let now: number;
const targets: Target[] = [];

beforeEach(async () => {
  sink = await openSink();
  now = CONTRACT_NOW;
});

afterEach(async () => {
  await Promise.all(targets.splice(0).map((target) => target.close()));
  await sink.close();
});

function open(signature: WebhookSecret | null, settings: Partial<HttpTargetConfig> = {}): Target {
  const config = parseHttpTargetConfig({ url: sink.url, ...settings }, { allowPrivate: true });
  const target = createHttpTarget(config, {
    allowPrivate: true,
    connection: null,
    signature,
    now: () => now,
  });
  targets.push(target);
  return target;
}

function verdict(index: number, secret: string): ReturnType<typeof verifyWebhook> {
  const { headers, body } = sink.requests[index]!;
  return verifyWebhook({ headers, body, secrets: [secret], now });
}

it.each([CURRENT, PREVIOUS])('is signed for who knows either secret of a rotation: %s', async (secret) => {
  await open(SIGNATURE).send(CONTRACT_REQUEST);

  expect(verdict(0, secret)).toEqual({
    ok: true,
    id: CONTRACT_EVENT.id,
    timestampSeconds: CONTRACT_NOW / 1_000,
  });
});

it('is signed with the new secret alone when there is no other', async () => {
  await open({ ...SIGNATURE, previousSecret: '' }).send(CONTRACT_REQUEST);

  expect(verdict(0, CURRENT).ok).toBe(true);
  expect(verdict(0, PREVIOUS)).toEqual({ ok: false, reason: 'wrong_signature' });
});

it('signs the body as it travels: a form, and characters beyond ASCII', async () => {
  const payload = '{"Body":"Order #ord_1 confirmed & paid é 🎁"}';
  await open(SIGNATURE, { encoding: 'form' }).send({ ...CONTRACT_REQUEST, payload });
  await open(SIGNATURE).send({ ...CONTRACT_REQUEST, payload });

  expect(sink.requests[0]?.body).not.toBe(sink.requests[1]?.body);
  expect(verdict(0, CURRENT).ok).toBe(true);
  expect(verdict(1, CURRENT).ok).toBe(true);
});

it('repeats with the same id and bytes and the time of the repeat', async () => {
  const target = open(SIGNATURE);
  sink.behave({ kind: 'accept-then-cut' });
  await target.send(CONTRACT_REQUEST);
  sink.behave({ kind: 'answer', status: 200 });
  now += 3_600_000;
  await target.send(CONTRACT_REQUEST);

  const [lost, repeated] = sink.requests;
  expect(repeated?.body).toBe(lost?.body);
  expect(repeated?.headers['webhook-id']).toBe(lost?.headers['webhook-id']);
  expect(verdict(0, CURRENT)).toEqual({ ok: false, reason: 'too_old' });
  expect(verdict(1, CURRENT).ok).toBe(true);
});

it('is not signed without a secret', async () => {
  await open(null).send(CONTRACT_REQUEST);

  expect(sink.requests[0]?.headers).not.toHaveProperty('webhook-signature');
  expect(sink.requests[0]?.headers).not.toHaveProperty('webhook-timestamp');
});
