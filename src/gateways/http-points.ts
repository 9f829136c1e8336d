import { GatewayMismatchError } from '../errors';
import { answerChecks } from './answer-checks';
import { createGatewayHttp, definite, type GatewayHttp, type GatewayHttpOptions } from './gateway-http';
import { pathPart } from './http-exchange';
import type { AwardRequest, AwardResult, PointsLedger, ReverseResult } from './points';

const NAME = 'points ledger';
const { requireSame, unclear } = answerChecks(NAME);
const NOT_FOUND = 'entry_not_found';

/** The points ledger over HTTP, as `src/dev/fake-points.ts` speaks it. Keeps the contract of `PointsLedger`. */
export function createHttpPointsLedger(options: GatewayHttpOptions): PointsLedger {
  const http = createGatewayHttp(NAME, options);
  return {
    award: (request) => award(http, request),
    reverse: ({ entryId }) => reverse(http, entryId),
    close: () => http.close(),
  };
}

async function award(http: GatewayHttp, request: AwardRequest): Promise<AwardResult> {
  const { entryId, customerId, orderId, points } = request;
  const path = `v1/entries/${pathPart(entryId)}`;
  const body = { customerId, orderId, points };
  const answer = definite(NAME, await http.call({ method: 'PUT', path, body }));
  if (answer.kind === 'refused') return { kind: 'refused', code: answer.code };
  requireSame(answer.body, { entryId, ...body });
  if (answer.body['status'] !== 'awarded') throw unclear('status');
  return { kind: 'awarded' };
}

async function reverse(http: GatewayHttp, entryId: string): Promise<ReverseResult> {
  const path = `v1/entries/${pathPart(entryId)}/reverse`;
  const answer = definite(NAME, await http.call({ method: 'POST', path, body: {} }), NOT_FOUND);
  if (answer.kind === 'done') {
    requireSame(answer.body, { entryId });
    if (answer.body['status'] !== 'reversed') throw unclear('status');
    return { kind: 'reversed' };
  }
  if (answer.code === NOT_FOUND) return { kind: 'unknown' };
  throw new GatewayMismatchError(`the points ledger refused a reverse (${answer.code})`);
}
