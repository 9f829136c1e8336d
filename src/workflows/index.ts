export { orderWorkflow } from './orders';
export { refundWorkflow } from './refunds';
export { deliveryWorkflow } from './deliveries';
export { notificationWorkflow } from './notifications';
export { reconciliationWorkflow } from './reconciliation';
