import { sleep } from '@temporalio/workflow';

export { orderWorkflow } from '../../src/workflows';

export const sleepBefore = (): Promise<void> => sleep('1 second');
