import type { Request, Response } from 'express';

/** Seconds that a caller waits for a decision unless it says otherwise, and at most. Source: the HTTP contract. */
const WAIT_SECONDS_DEFAULT = 10;
const WAIT_SECONDS_MAX = 60;

/**
 * How long this caller wants to wait, in milliseconds: `Prefer: wait=N` of RFC 7240, in seconds. Preferences that cannot
 * be read are ignored, as the RFC says; the first of several counts, and more than a minute is a minute.
 */
export function waitMsOf(req: Pick<Request, 'headers'>, res: Pick<Response, 'setHeader'>): number {
  const header = req.headers['prefer'];
  const seconds = header === undefined ? null : readWait(String(header));
  if (seconds === null) return WAIT_SECONDS_DEFAULT * 1_000;
  const applied = Math.min(seconds, WAIT_SECONDS_MAX);
  res.setHeader('Preference-Applied', `wait=${applied}`);
  return applied * 1_000;
}

/** Commas inside quotes would cut a preference of another name in two; none of its halves looks like a wait of ours. */
function readWait(header: string): number | null {
  for (const preference of header.split(',')) {
    const [name, value] = preference.split(';', 1)[0]!.split('=', 2);
    if (name?.trim().toLowerCase() !== 'wait') continue;
    const digits = /^(?:"(\d{1,9})"|(\d{1,9}))$/.exec(value?.trim() ?? '');
    return digits === null ? null : Number(digits[1] ?? digits[2]);
  }
  return null;
}
