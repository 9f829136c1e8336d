import { RESOLVE_MAX } from '../database/parked-decisions';
import { DECISIONS } from '../domain/parked';
import { bodyMembers, Code, pageMembers, queryMembers, Reason, Timestamp, Uuid } from './schemas';
import { z } from './zod';

/** What goes in and out of the routes of parked steps. */

const StepStart = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'This must be 1 to 255 visible ASCII characters.')
  .openapi({ description: "What the step's name begins with, or all of it", example: 'refund:' });

const State = z.enum(['OPEN', 'RESOLVED']).openapi({ description: 'OPEN until its decision is carried out' });

export const ParkedQuery = z.strictObject({
  state: State.optional(),
  reason: Code.optional(),
  step: StepStart.optional(),
  orderId: queryMembers.uuid.optional(),
  olderThan: queryMembers.timestamp.optional().openapi({ description: 'Parked before here' }),
  ...pageMembers,
});

const verdict = {
  decision: z.enum(DECISIONS).openapi({
    description:
      '`retry`: try it again. `skip`: go on as if it had been done by hand. `fail`: it has failed for good',
  }),
  reason: Reason.optional().openapi({ description: 'For the audit; needed for `skip` and `fail`' }),
};

/** Whoever takes money or goods out of the system's hands says why. */
function needReason(
  { decision, reason }: { decision: string; reason?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (decision === 'retry' || (reason ?? '').trim() !== '') return;
  context.addIssue({ code: 'custom', path: ['reason'], message: `Say why, to ${decision} it.` });
}

export const Resolve = z.strictObject(verdict).superRefine(needReason).openapi('ResolveParkedStep');

const Filter = z
  .strictObject({
    reason: Code.optional(),
    step: StepStart.optional(),
    orderId: bodyMembers.uuid.optional(),
    olderThan: bodyMembers.timestamp.optional().openapi({ description: 'Parked before here' }),
    all: z.literal(true).optional().openapi({ description: 'Every parked step, and nothing else beside it' }),
  })
  .superRefine(({ all, ...members }, context) => {
    // A filter that lost its members on the way must not decide about everything.
    const isNarrow = Object.values(members).some((member) => member !== undefined);
    if (isNarrow !== (all === true)) return;
    const message = isNarrow ? 'This stands alone.' : 'Name at least one member, or all.';
    context.addIssue({ code: 'custom', path: isNarrow ? ['all'] : [], message });
  });

export const ResolveMany = z
  .strictObject({ filter: Filter, ...verdict })
  .superRefine(needReason)
  .openapi('ResolveParkedSteps');

export const ParkedStep = z
  .object({
    parkedId: Uuid,
    orderId: Uuid.nullable().openapi({ description: 'null when nobody here knows the order' }),
    step: z.string().openapi({ example: 'refund:872e5b48-35e3-51d9-b883-6e20875d28f0' }),
    reason: z.string().openapi({ description: 'Why it waits', example: 'refund_refused' }),
    workflowId: z
      .string()
      .nullable()
      .openapi({ description: 'Who waits for the decision; null when nobody does' }),
    state: State,
    decision: z
      .enum(DECISIONS)
      .nullable()
      .openapi({ description: 'null while there is none, and for a step that came to need none' }),
    decidedBy: z.string().nullable(),
    decisionReason: z.string().nullable(),
    decidedAt: Timestamp.nullable(),
    createdAt: Timestamp,
    resolvedAt: Timestamp.nullable(),
  })
  .openapi('ParkedStep');

export const ResolvedMany = z
  .object({
    resolved: z.array(ParkedStep),
    refused: z
      .array(z.object({ parkedId: Uuid, code: z.string() }))
      .openapi({ description: 'Steps for which the decision was refused, and why' }),
    remaining: z.int().openapi({
      description: `Matching steps that nobody has decided about: one request takes ${RESOLVE_MAX} at most`,
    }),
  })
  .openapi('ResolvedParkedSteps');
