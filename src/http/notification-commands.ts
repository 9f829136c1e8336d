import { Router } from 'express';
import { cancelNotification, resendNotification } from '../database/notification-operations';
import { readNotificationView, type NotificationView } from '../database/notification-views';
import {
  ContactErasedError,
  NotFoundError,
  NotificationEndedError,
  NotificationInProgressError,
  TemporalUnavailableError,
} from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { wakeNotification } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readOptionalJsonBody } from './json-body';
import { Channel, Notification } from './notification-documents';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { readUuid, Uuid } from './schemas';
import { checkBody } from './validation';
import { z } from './zod';

const RESEND_PATH = '/v1/notifications/{notificationId}/resend';
const CANCEL_PATH = '/v1/notifications/{notificationId}/cancel';

/** What an operator decides about one notification. */
export function notificationCommandsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, RESEND_PATH, { post: { scope: 'operate', handle: withDatabase(resend(deps)) } });
  route(router, CANCEL_PATH, { post: { scope: 'operate', handle: withDatabase(cancel(deps)) } });
  return router;
}

const Resend = z
  .strictObject({
    channel: Channel.optional().openapi({
      description: "The held attempt's, or the customer's first, by default",
    }),
  })
  .openapi('Resend');

/** The row first, then the wake-up; reconciliation finds what a lost wake-up left. */
function resend(deps: HttpDeps): Handler {
  return async (req, res) => {
    const { channel = null } = checkBody(Resend, await readOptionalJsonBody(req));
    const notificationId = readUuid(parameter(req, 'notificationId'));
    assertTemporal(deps.health);
    if (notificationId === null) throw noSuchNotification();
    const actor = callerOf(res);
    switch (await resendNotification(deps.pool, { notificationId, channel, actor })) {
      case 'unknown':
        throw noSuchNotification();
      case 'in_progress':
        throw new NotificationInProgressError(
          'An attempt is under way; another one now could be one too many.',
        );
      case 'no_contact':
        throw new ContactErasedError('The customer was erased; nobody knows the number any more.');
      case 'resent': {
        const view = await readKnown(deps, notificationId);
        await wakeNotification(deps, view);
        res.status(202).json(view);
      }
    }
  };
}

function cancel(deps: HttpDeps): Handler {
  return async (req, res) => {
    checkBody(z.strictObject({}), await readOptionalJsonBody(req));
    const notificationId = readUuid(parameter(req, 'notificationId'));
    if (notificationId === null) throw noSuchNotification();
    switch (await cancelNotification(deps.pool, { notificationId, actor: callerOf(res) })) {
      case 'unknown':
        throw noSuchNotification();
      case 'ended':
        throw new NotificationEndedError('It has ended already.', {
          extensions: { state: (await readKnown(deps, notificationId)).status },
        });
      case 'cancelled': {
        const view = await readKnown(deps, notificationId);
        const { status, reason } = view;
        deps.metrics.notificationSettled({ fallback: null, resolved: null, ended: { status, reason } });
        await tell(deps, view);
        res.json(view);
      }
    }
  };
}

/** No sender takes up what the row says is over: a workflow that hears of it later only ends later. */
async function tell(deps: HttpDeps, notification: NotificationView): Promise<void> {
  if (!deps.health.temporal) return;
  try {
    await wakeNotification(deps, notification);
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
  }
}

async function readKnown({ pool }: HttpDeps, notificationId: string): Promise<NotificationView> {
  const view = await readNotificationView(pool, notificationId);
  if (view === null) throw noSuchNotification();
  return view;
}

function noSuchNotification(): NotFoundError {
  return new NotFoundError('There is no such notification.');
}

const params = z.object({ notificationId: Uuid });

export const notificationCommandOperations: Operation[] = [
  {
    method: 'post',
    path: RESEND_PATH,
    tags: ['Notifications'],
    summary: 'Tell the person once more',
    description:
      'A held attempt is given up for it. 409 `notification_in_progress` while an attempt is under way, `contact_erased` once the customer was erased.',
    request: { params, body: jsonBody(Resend, false) },
    responses: guardedAnswers({ 202: Notification }, [...BODY_PROBLEMS, 404, 409]),
  },
  {
    method: 'post',
    path: CANCEL_PATH,
    tags: ['Notifications'],
    summary: 'Send nothing more of it',
    description:
      'What the provider has already is not called back. 409 `notification_ended` when nothing is left to cancel; `state` says how it ended.',
    request: { params },
    responses: guardedAnswers({ 200: Notification }, [...BODY_PROBLEMS, 404, 409]),
  },
];
