import { SOURCES } from '../domain/reconciliation';
import { Timestamp, Uuid } from './schemas';
import { z } from './zod';

const CLASSES = ['over_retried', 'business_exception', 'idempotency_failure', 'outage'] as const;
const SEVERITIES = ['low', 'medium', 'high'] as const;

export const NewReconciliation = z
  .strictObject({
    kind: z
      .enum(['light', 'full'])
      .default('full')
      .openapi({ description: 'light: what nobody works on; full: everything, others asked too' }),
    dryRun: z.boolean().default(false).openapi({ description: 'Report, and change nothing' }),
  })
  .openapi('NewReconciliation');

const DetectorCount = z.object({
  class: z.enum(CLASSES),
  severity: z.enum(SEVERITIES),
  remedy: z.enum(['restart', 'mend', 'park', 'report']),
  found: z.int(),
  repaired: z.int(),
  parked: z.int(),
  reported: z.int(),
  open: z.int().openapi({ description: 'Nothing was done: a dry run, or not yet' }),
});

export const Report = z.object({
  reconciliationId: Uuid,
  kind: z.enum(['light', 'full', 'rebuild']),
  dryRun: z.boolean(),
  state: z
    .enum(['REQUESTED', 'RUNNING', 'COMPLETED', 'REFUSED', 'FAILED'])
    .openapi({ description: 'REFUSED: another one was running, and this one did nothing' }),
  actor: z.string(),
  found: z.int(),
  detectors: z
    .record(z.string(), DetectorCount)
    .openapi({ description: 'Detectors that found something, by name' }),
  unread: z
    .array(z.object({ source: z.enum(SOURCES), code: z.string() }))
    .openapi({ description: 'What did not answer, and so was not looked at' }),
  truncated: z
    .array(z.string())
    .openapi({ description: 'Detectors that found more than one run takes; the next run goes on' }),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
  finishedAt: Timestamp.nullable(),
});
export const Reconciliation = Report.openapi('Reconciliation');

export const Findings = z.object({
  data: z.array(
    z
      .object({
        detector: z.string(),
        class: z.enum(CLASSES),
        severity: z.enum(SEVERITIES),
        subject: z.string().openapi({ example: 'order:5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21' }),
        orderId: Uuid.nullable(),
        detail: z.looseObject({}),
        action: z.enum(['none', 'repaired', 'parked', 'reported']),
        foundAt: Timestamp,
        repairedAt: Timestamp.nullable(),
      })
      .openapi('Finding'),
  ),
  nextCursor: z.string().nullable(),
});
