import { GatewayUnavailableError } from '../errors';
import type { ListedMessage, ProviderReport } from './channel';
import { TwilioCallError } from './twilio-answer';

/** What messages and calls have in common, as the package reads it. */
interface TwilioResource {
  sid: string;
  status: string;
  dateCreated: Date;
}

/** What both the first page of a list and the following ones are. */
interface ListPage<Resource> {
  instances: Resource[];
  nextPage(): Promise<ListPage<Resource>> | undefined;
}

/** One person seldom gets more since an attempt began, so one page is nearly always enough. */
export const PAGE_SIZE = 50;
/** 50,000 messages to one number. A list that goes on for longer leads in a circle. */
const PAGES_MAX = 1000;
/** Twilio's clock may differ from ours and its times are whole seconds. Source: reliability, section 3. */
const CLOCK_ALLOWANCE_MS = 5_000;
/** Two letters for the kind and 32 hexadecimal digits. Source: Twilio, "What is a String Identifier (SID)?" */
const SID = /^[A-Z]{2}[0-9a-f]{32}$/i;
/** Twilio's own words for a resource that does not exist. A 404 without them is some box between. */
const NOT_FOUND = '20404';

/**
 * Reads a list, newest first, until it no longer is recent.
 * @param since - RFC 3339
 * @returns what was created since then and is wanted, newest first
 * @throws GatewayUnavailableError (retryable): nothing found and not asked are not the same
 */
export async function findRecent<Resource extends TwilioResource>(
  since: string,
  firstPage: () => Promise<ListPage<Resource>>,
  isWanted: (resource: Resource) => boolean,
): Promise<Resource[]> {
  const oldestMs = Date.parse(since) - CLOCK_ALLOWANCE_MS;
  if (Number.isNaN(oldestMs)) throw new RangeError('since must be an RFC 3339 time');
  return asking('list', async () => {
    const found: Resource[] = [];
    for await (const resources of pagesOf(firstPage)) {
      if (!resources.every(hasSid)) throw new TwilioCallError('ambiguous', 'no_sid', 'an entry has no sid');
      const recent = resources.filter((resource) => isRecent(resource, oldestMs));
      found.push(...recent.filter(isWanted));
      // Twilio orders by date but not to the second, so only a page without one recent resource ends the search.
      if (recent.length === 0) break;
    }
    return found;
  });
}

/**
 * Reads one resource by its sid.
 * @returns null when Twilio knows none of this sid; one that is no sid at all is not asked for
 * @throws GatewayUnavailableError (retryable)
 */
export async function readOne<Resource>(
  sid: string,
  fetch: () => Promise<Resource>,
): Promise<Resource | null> {
  if (!SID.test(sid)) return null;
  return asking('answer', async () => {
    try {
      return await fetch();
    } catch (error) {
      const isUnknown =
        error instanceof TwilioCallError && error.failure === 'rejected' && error.code === NOT_FOUND;
      if (isUnknown) return null;
      throw error;
    }
  });
}

/** @throws GatewayUnavailableError when the answer lacks a status, and with it proves nothing */
export function reportOf(resource: { status: unknown; errorCode?: unknown }): ProviderReport {
  const { status, errorCode } = resource;
  if (typeof status !== 'string') throw new GatewayUnavailableError('Twilio answered without a status');
  const isGiven = typeof errorCode === 'number' || typeof errorCode === 'string';
  return { status, errorCode: isGiven ? String(errorCode) : null };
}

/** What a list tells of one, with the address as a phone number. */
export function listedOf({
  sid,
  to,
  dateCreated,
}: {
  sid: string;
  to: string;
  dateCreated: unknown;
}): ListedMessage {
  const number = to.startsWith('whatsapp:') ? to.slice('whatsapp:'.length) : to;
  return { sid, to: number, createdAt: dateCreated instanceof Date ? dateCreated.toISOString() : null };
}

/** The package promises one whatever the answer was; without it nothing can be adopted. */
function hasSid({ sid }: { sid: unknown }): boolean {
  return typeof sid === 'string' && sid !== '';
}

/** A resource without a date may be new. */
function isRecent({ dateCreated }: { dateCreated: unknown }, oldestMs: number): boolean {
  return !(dateCreated instanceof Date) || dateCreated.getTime() >= oldestMs;
}

async function* pagesOf<Resource>(
  firstPage: () => Promise<ListPage<Resource>>,
): AsyncGenerator<Resource[], void, undefined> {
  let next: Promise<ListPage<Resource>> | undefined = firstPage();
  for (let pages = 1; next !== undefined; pages += 1) {
    if (pages > PAGES_MAX) throw new TwilioCallError('ambiguous', 'endless_list', 'the list does not end');
    const page: ListPage<Resource> = await next.catch(throwAsCallError);
    yield page.instances;
    next = page.nextPage();
  }
}

/** The package throws plain errors for a 2xx answer in which it finds no records. */
function throwAsCallError(error: unknown): never {
  if (error instanceof TwilioCallError) throw error;
  throw new TwilioCallError('ambiguous', 'no_list', 'Twilio answered without a list');
}

async function asking<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof TwilioCallError)) throw error;
    const { code, retryAfterMs } = error;
    throw new GatewayUnavailableError(
      `Twilio's ${what} could not be read (${code})`,
      retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) },
    );
  }
}
