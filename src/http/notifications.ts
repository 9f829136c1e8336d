import { Router } from 'express';
import { countNotifications } from '../database/notification-counts';
import {
  listNotifications,
  listUnknownCallbacks,
  readNotificationView,
  type NotificationView,
} from '../database/notification-views';
import { MalformedRequestError, NotFoundError } from '../errors';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import {
  Notification,
  NotificationCounts,
  NotificationQuery,
  UnknownCallback,
} from './notification-documents';
import { notificationCommandOperations, notificationCommandsRouter } from './notification-commands';
import { Phone } from './phone-numbers';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import {
  pageMembers,
  pageOf,
  PAGE_LIMIT_DEFAULT,
  PAGE_LIMIT_MAX,
  queryMembers,
  readUuid,
  Uuid,
} from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** What people were told, by which attempts, and what an operator can do about it. No number is ever in an answer. */
export function notificationsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/notifications', { get: { scope: 'orders:read', handle: withDatabase(list(deps)) } });
  route(router, '/v1/notifications/search', {
    post: { scope: 'operate', handle: withDatabase(search(deps)) },
  });
  route(router, '/v1/notifications/counts', {
    get: { scope: 'orders:read', handle: withDatabase(counts(deps)) },
  });
  route(router, '/v1/notifications/unknown-callbacks', {
    get: { scope: 'orders:read', handle: withDatabase(unknownCallbacks(deps)) },
  });
  route(router, '/v1/notifications/{notificationId}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
  });
  router.use(notificationCommandsRouter(deps));
  return router;
}

/** @throws MalformedRequestError when the times are the wrong way round */
function assertInOrder({ from, to }: { from?: string | undefined; to?: string | undefined }): void {
  if (from === undefined || to === undefined || from <= to) return;
  throw new MalformedRequestError('from is after to.', {
    fields: [{ pointer: '/from', message: 'after to' }],
  });
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const filter = checkQuery(NotificationQuery, req);
    assertInOrder(filter);
    res.json(await listNotifications(pool, filter));
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const notificationId = readUuid(parameter(req, 'notificationId'));
    const view: NotificationView | null =
      notificationId === null ? null : await readNotificationView(pool, notificationId);
    if (view === null) throw new NotFoundError('There is no such notification.');
    res.json(view);
  };
}

const PhoneSearch = z
  .strictObject({
    // The number stands in the body, because proxies and logs keep URLs.
    phone: Phone,
    limit: z.int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
    cursor: pageMembers.cursor,
  })
  .openapi('PhoneSearch');

/** By the number's hash, which the attempts have once a sender took them up. */
function search({ pool, phoneHash }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const { phone, ...page } = checkBody(PhoneSearch, await readJsonBody(req));
    const hash = phoneHash(phone);
    res.json({ phoneHash: hash, ...(await listNotifications(pool, { ...page, phoneHash: hash })) });
  };
}

/** Every row of that time is read: a month is what reports ask for, and what a database counts in seconds. */
const COUNTED_DAYS_MAX = 31;
const DAY_MS = 86_400_000;

const CountsQuery = z.strictObject({
  from: queryMembers.timestamp.openapi({ description: 'Created then or later' }),
  to: queryMembers.timestamp.openapi({
    description: `Created before; at most ${COUNTED_DAYS_MAX} days after`,
  }),
});

function counts({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const between = checkQuery(CountsQuery, req);
    assertInOrder(between);
    if (Date.parse(between.to) - Date.parse(between.from) > COUNTED_DAYS_MAX * DAY_MS) {
      throw new MalformedRequestError(`At most ${COUNTED_DAYS_MAX} days are counted at once.`, {
        fields: [{ pointer: '/to', message: `more than ${COUNTED_DAYS_MAX} days after from` }],
      });
    }
    res.json({ ...between, ...(await countNotifications(pool, between)) });
  };
}

const PageQuery = z.strictObject({ ...pageMembers });

function unknownCallbacks({ pool }: HttpDeps): Handler {
  return async (req, res) => void res.json(await listUnknownCallbacks(pool, checkQuery(PageQuery, req)));
}

const TAGS = ['Notifications'];

export const notificationOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/notifications',
    tags: TAGS,
    summary: 'List notifications with their attempts, newest first',
    request: { query: NotificationQuery },
    responses: guardedAnswers({ 200: pageOf(Notification) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/notifications/{notificationId}',
    tags: TAGS,
    summary: 'Read a notification with its attempts',
    request: { params: z.object({ notificationId: Uuid }) },
    responses: guardedAnswers({ 200: Notification }, [404]),
  },
  {
    method: 'post',
    path: '/v1/notifications/search',
    tags: TAGS,
    summary: 'Find the notifications of a phone number, by its hash',
    request: { body: jsonBody(PhoneSearch) },
    responses: guardedAnswers(
      {
        200: z.object({
          phoneHash: z.string(),
          data: z.array(Notification),
          nextCursor: z.string().nullable(),
        }),
      },
      BODY_PROBLEMS,
    ),
  },
  {
    method: 'get',
    path: '/v1/notifications/counts',
    tags: TAGS,
    summary: 'Count what became of the notifications of a time',
    request: { query: CountsQuery },
    responses: guardedAnswers({ 200: NotificationCounts }, [400]),
  },
  {
    method: 'get',
    path: '/v1/notifications/unknown-callbacks',
    tags: TAGS,
    summary: 'List reports of providers on messages that nobody knows, newest first',
    request: { query: PageQuery },
    responses: guardedAnswers({ 200: pageOf(UnknownCallback) }, [400]),
  },
  ...notificationCommandOperations,
];
