/** Refunds: what is stored of them, how one is asked for, and how it ends. */
export { listRefunds, readRefund, type Refund, type RefundLine } from './refund-rows';
export { requestRefund, requestUndo, type RefundRequest } from './refund-requests';
export { failRefund, parkRefund, raiseRefundKey, retryRefund, settleRefund } from './refund-settling';
