import { CONTRACT_REQUEST, type TargetHarness } from './target';

/** What an endpoint over HTTP is told to do with the next attempts. */
export type Behaviour =
  | { kind: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** Takes the connection and the request, and never answers. */
  | { kind: 'hang' }
  /** Takes the request and cuts the connection before it answers. */
  | { kind: 'accept-then-cut' }
  /** Says 200, then sends a body that never ends. */
  | { kind: 'endless-body' }
  /** Says 200, then sends one byte at a time, for longer than any timeout. */
  | { kind: 'drip-body' }
  /** Sends headers one byte at a time, for longer than any timeout. */
  | { kind: 'drip-headers' }
  /** Sends headers of 10 MB. */
  | { kind: 'huge-headers' };

/** The target has CONTRACT_NOW for its clock. */
export interface HttpTargetHarness extends TargetHarness {
  behave(behaviour: Behaviour): void;
  /** Requests that arrived whole so far, whatever they were answered. */
  requestCount(): number;
}

/** Answers and what each must come to. Source: reliability, rows 30-37. */
const ANSWERS: readonly [Behaviour & { kind: 'answer' }, object][] = [
  [
    { kind: 'answer', status: 200 },
    { kind: 'delivered', status: 200 },
  ],
  [
    { kind: 'answer', status: 202, body: '{not json' },
    { kind: 'delivered', status: 202 },
  ],
  [
    { kind: 'answer', status: 204 },
    { kind: 'delivered', status: 204 },
  ],
  [
    { kind: 'answer', status: 302, headers: { location: 'http://169.254.169.254/' } },
    dead(302, 'redirect_refused'),
  ],
  [{ kind: 'answer', status: 307, headers: { location: '/elsewhere' } }, dead(307, 'redirect_refused')],
  [{ kind: 'answer', status: 400 }, dead(400, 'http_400')],
  [{ kind: 'answer', status: 401 }, dead(401, 'http_401')],
  [{ kind: 'answer', status: 403 }, dead(403, 'http_403')],
  [{ kind: 'answer', status: 404 }, dead(404, 'http_404')],
  [{ kind: 'answer', status: 410 }, dead(410, 'endpoint_gone')],
  [{ kind: 'answer', status: 408 }, retry(408)],
  [{ kind: 'answer', status: 425 }, retry(425)],
  [{ kind: 'answer', status: 500 }, retry(500)],
  [{ kind: 'answer', status: 502, body: '<html>' }, retry(502)],
];

/** What 429 and 503 may say about when to come back, with the clock at 2026-08-01T12:00:00Z. Source: RFC 9110, 10.2.3. */
const RETRY_AFTER: readonly [string, number | undefined][] = [
  ['7', 7_000],
  ['0', 0],
  ['3600', 3_600_000],
  ['Sat, 01 Aug 2026 12:00:30 GMT', 30_000],
  ['Saturday, 01-Aug-26 12:00:30 GMT', 30_000],
  ['Sat Aug  1 12:00:30 2026', 30_000],
  ['Sat, 01 Aug 2026 11:59:59 GMT', undefined],
  ['-7', undefined],
  ['1.5', undefined],
  ['99999999999999999999', undefined],
  ['soon', undefined],
];

function dead(status: number, code: string): object {
  return { kind: 'dead', status, code };
}

function retry(status: number): object {
  return { kind: 'retry', status, code: `http_${status}` };
}

/** What every target that is judged by the status of an HTTP answer promises beside the contract of targets. */
export function httpTargetContract(name: string, open: () => Promise<HttpTargetHarness>): void {
  describe(`the contract of targets over HTTP, kept by ${name}`, () => {
    let harness: HttpTargetHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.close());

    async function sendTo(behaviour: Behaviour): Promise<object> {
      harness.behave(behaviour);
      return harness.target.send(CONTRACT_REQUEST);
    }

    it.each(ANSWERS)('reads %j as %j', async (behaviour, outcome) => {
      expect(await sendTo(behaviour)).toMatchObject(outcome);
      expect(harness.requestCount()).toBe(1);
    });

    it.each(RETRY_AFTER)('reads Retry-After %j as %p ms', async (header, retryAfterMs) => {
      for (const status of [429, 503]) {
        const outcome = await sendTo({ kind: 'answer', status, headers: { 'retry-after': header } });

        expect(outcome).toMatchObject({ ...retry(status) });
        expect((outcome as { retryAfterMs?: number }).retryAfterMs).toBe(retryAfterMs);
      }
    });

    it('tries again later when the connection is cut before the answer', async () => {
      expect(await sendTo({ kind: 'accept-then-cut' })).toMatchObject({
        kind: 'retry',
        status: null,
        code: 'connection_reset',
      });
    });

    it.each<Behaviour>([{ kind: 'hang' }, { kind: 'drip-headers' }])(
      'gives up after its timeout and tries again later: %j',
      async (behaviour) => {
        const outcome = await sendTo(behaviour);

        expect(outcome).toMatchObject({ kind: 'retry', status: null, code: 'timeout' });
        expect((outcome as { latencyMs: number }).latencyMs).toBeLessThan(harness.timeoutMs + 1_000);
      },
    );

    it.each<Behaviour>([{ kind: 'endless-body' }, { kind: 'drip-body' }])(
      'has delivered once the status says so, and does not wait for the body: %j',
      async (behaviour) => {
        const startedAt = performance.now();

        const outcome = await sendTo(behaviour);

        expect(outcome).toMatchObject({ kind: 'delivered', status: 200 });
        expect(performance.now() - startedAt).toBeLessThan(harness.timeoutMs + 2_000);
      },
    );

    it('does not take headers without an end', async () => {
      expect(await sendTo({ kind: 'huge-headers' })).toMatchObject({
        kind: 'retry',
        code: 'answer_headers_too_large',
      });
    });

    it('sends again after each kind of failure', async () => {
      const failures = ['hang', 'accept-then-cut', 'endless-body', 'drip-body', 'huge-headers'] as const;
      for (const kind of failures) await sendTo({ kind });

      expect(await sendTo({ kind: 'answer', status: 200 })).toMatchObject({ kind: 'delivered' });
    });
  });
}
