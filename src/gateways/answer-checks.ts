import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import type { JsonObject } from './http-exchange';

/** Reads what an answer must have. */
export interface AnswerChecks {
  /** @throws GatewayMismatchError when a member is not what was sent; GatewayUnavailableError when it is missing */
  requireSame: (answer: JsonObject, sent: Record<string, string | number>) => void;
  requireText: (document: JsonObject, member: string) => string;
  requireWhole: (document: JsonObject, member: string) => number;
  requireTime: (document: JsonObject, member: string) => string;
  /** An answer without what it must have proves nothing; the same call may still say more. */
  unclear: (member: string) => GatewayUnavailableError;
}

/** @param name - who answers, for messages, such as `payment gateway` */
export function answerChecks(name: string): AnswerChecks {
  const unclear = (member: string): GatewayUnavailableError =>
    new GatewayUnavailableError(`the ${name}'s answer is unclear (${member})`);
  const requireText = (document: JsonObject, member: string): string => {
    const value = document[member];
    if (typeof value !== 'string' || value === '') throw unclear(member);
    return value;
  };
  return {
    unclear,
    requireText,
    requireSame(answer, sent) {
      for (const [member, value] of Object.entries(sent)) {
        if (answer[member] === undefined) throw unclear(member);
        if (answer[member] !== value) {
          throw new GatewayMismatchError(`the ${name} answered with another ${member}`);
        }
      }
    },
    requireWhole(document, member) {
      const value = document[member];
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unclear(member);
      return value;
    },
    requireTime(document, member) {
      const value = requireText(document, member);
      if (Number.isNaN(Date.parse(value))) throw unclear(member);
      return value;
    },
  };
}
