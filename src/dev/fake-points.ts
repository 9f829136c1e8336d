import { z } from 'zod';
import { PointsEntries } from '../gateways/points-entries';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  jsonAnswer,
  parseJson,
  startFakeServer,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import {
  decodePart,
  failure,
  ParticipantFake,
  type ParticipantOutcome,
  type ParticipantRules,
} from './participant-fake';

/** Default port 4014. `node dist/dev/fake-points.js --port 4014 --log FILE` */
export const FAKE_POINTS: FakeCommand = { name: 'fake-points', defaultPort: 4014 };

const id = z.string().min(1).max(255);
const awardBody = z.strictObject({
  customerId: id,
  orderId: id,
  /** Whole and above zero, so that a fraction is refused and never rounded. */
  points: z.int().positive(),
});

const ENTRY_PATH = /^\/v1\/entries\/([^/]+)(\/reverse)?$/;
/** The account of this customer is closed: every award is refused for good. */
const REFUSED_CUSTOMER = 'cus_refused';

/** Starts the fake in this process. Entries in its log are still known. */
export function startFakePoints(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => {
    return new ParticipantFake(log, rulesOf(new PointsEntries(log.entries())));
  });
}

function rulesOf(entries: PointsEntries): ParticipantRules {
  return {
    operations: ['award', 'reverse'],
    parse({ method, path, body }) {
      const [, part, reverse] = ENTRY_PATH.exec(path) ?? [];
      if (part === undefined) return failure(404, 'unknown_path');
      const entryId = decodePart(part);
      if (entryId === null) return failure(404, 'unknown_path');
      if (method !== (reverse === undefined ? 'PUT' : 'POST')) return failure(405, 'method_not_allowed');
      if (reverse !== undefined) {
        return { name: 'reverse', subject: { entryId }, run: () => reverseEntry(entries, entryId) };
      }
      const parsed = awardBody.safeParse(parseJson(body));
      if (!parsed.success) return failure(422, 'invalid_request', z.prettifyError(parsed.error));
      const { customerId, orderId } = parsed.data;
      return {
        name: 'award',
        subject: { entryId, customerId, orderId },
        run: (refusal) => award(entries, { entryId, ...parsed.data }, refusal),
      };
    },
    contradict: (body) => ({ ...body, entryId: 'another_entry' }),
  };
}

function award(
  entries: PointsEntries,
  request: z.infer<typeof awardBody> & { entryId: string },
  planned: string | null,
): ParticipantOutcome {
  const refusal = planned ?? (request.customerId === REFUSED_CUSTOMER ? 'account_closed' : null);
  const { result, fact } = entries.award(request, refusal);
  if (result.kind === 'reused') return { answer: failure(422, 'idempotency_key_reused'), fact };
  if (result.kind === 'refused') return { answer: failure(409, result.code), fact };
  return { answer: jsonAnswer(200, { ...request, status: 'awarded' }), fact };
}

function reverseEntry(entries: PointsEntries, entryId: string): ParticipantOutcome {
  const { result, fact } = entries.reverse(entryId);
  if (result.kind === 'unknown') return { answer: failure(404, 'entry_not_found'), fact };
  return { answer: jsonAnswer(200, { entryId, status: 'reversed' }), fact };
}

if (require.main === module) void runFakeCommand(FAKE_POINTS, startFakePoints);
