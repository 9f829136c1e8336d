/**
 * Steps and their undos inside a Temporal workflow: `import { createCompensations } from 'aftercommit/saga'`. It imports
 * nothing but @temporalio/workflow, and is deterministic. See docs/own-transactions.md.
 */
export { createCompensations } from '../workflows/compensations';
export type { Compensations, Park, ParkDecision } from '../workflows/compensations';
export { attempt } from '../workflows/step-results';
export type { Refusal, StepResult } from '../workflows/step-results';
