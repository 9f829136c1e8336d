import { jsonAnswer, type FakeAnswer } from './fake-server';
import type { TwilioFault } from './twilio-control';
import { refuse, refusalDocument, SERVER_ERROR, TOO_MANY_REQUESTS } from './twilio-errors';

/** The answer of a fault that accepts nothing; null when the fault comes after accepting. */
export function answerBeforeAccept(fault: TwilioFault): FakeAnswer | null {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '429': {
      const headers: Record<string, string> =
        fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) };
      return { ...jsonAnswer(429, refusalDocument(TOO_MANY_REQUESTS), headers), ...delay };
    }
    case '500_before_accept':
      return { ...refuse(SERVER_ERROR), ...delay };
    case 'refuse_connection_like_reset_before_accept':
      return { kind: 'cut', ...delay };
    default:
      return null;
  }
}

/** The answer of a fault for what was accepted. */
export function answerAfterAccept(fault: TwilioFault, resource: Record<string, unknown>): FakeAnswer {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '500_after_accept':
      return { ...refuse(SERVER_ERROR), ...delay };
    case 'timeout_after_accept':
      return { kind: 'silence' };
    case 'cut_after_accept':
      return { kind: 'cut', ...delay };
    case 'no_sid':
      return { ...jsonAnswer(201, { ...resource, sid: undefined }), ...delay };
    case 'html':
      return {
        ...jsonAnswer(200, '<!doctype html><title>Welcome</title>', { 'content-type': 'text/html' }),
        ...delay,
      };
    default:
      throw new TypeError(`${fault.action} is no fault after accepting`);
  }
}
