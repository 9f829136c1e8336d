import type { SendResult } from './channel';
import { TwilioCallError } from './twilio-answer';

/**
 * Makes one creating call, never repeated, and says what is known of it.
 * @param create - of the package; the types promise a sid, and an answer without one must not be taken for success
 */
export async function sendOnce(
  create: () => Promise<{ sid?: unknown; status?: unknown }>,
): Promise<SendResult> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  try {
    const { sid, status } = await create();
    if (typeof sid === 'string' && sid !== '') {
      const known = typeof status === 'string' ? status : 'unknown';
      return { kind: 'accepted', sid, status: known, latencyMs: latencyMs() };
    }
    const message = 'Twilio answered without a sid';
    return { kind: 'ambiguous', code: 'no_sid', message, latencyMs: latencyMs() };
  } catch (error) {
    if (!(error instanceof TwilioCallError)) throw error;
    const { failure, code, message, retryAfterMs } = error;
    const known = { code, message, latencyMs: latencyMs() };
    if (failure === 'unsent' && retryAfterMs !== undefined) return { kind: failure, ...known, retryAfterMs };
    return { kind: failure, ...known };
  }
}
