import type { NextFunction, Request, RequestHandler, Response, Router } from 'express';
import { MethodNotAllowedError } from '../errors';
import { requireScope, type Scope } from './authentication';

export type Method = 'get' | 'post' | 'put' | 'delete';

/** Answers one request; what it throws becomes a problem document. */
export type Handler = (req: Request, res: Response, next: NextFunction) => Promise<void> | void;

export interface Endpoint {
  /** Absent: open to everybody. */
  scope?: Scope;
  handle: Handler;
}

/**
 * Binds the methods of one path. Any other method is a 405 that names those that there are.
 * @param path - as in the OpenAPI document: `/v1/orders/{orderId}`
 */
export function route(router: Router, path: string, endpoints: Partial<Record<Method, Endpoint>>): void {
  const bound = router.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
  bound.all((_req, res, next) => {
    res.locals['route'] = path;
    next();
  });
  for (const [method, { scope, handle }] of Object.entries(endpoints)) {
    const guards: RequestHandler[] = scope === undefined ? [] : [requireScope(scope)];
    bound[method as Method](...guards, handle);
  }
  bound.all(refuseMethod(Object.keys(endpoints) as Method[]));
}

function refuseMethod(methods: readonly Method[]): RequestHandler {
  // Express answers HEAD wherever there is a GET.
  const names = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  return (req, res) => {
    res.setHeader('Allow', names.join(', '));
    throw new MethodNotAllowedError(`This path does not know ${req.method}.`);
  };
}

/** A path parameter, decoded. */
export function parameter(req: Request, name: string): string {
  const value = req.params[name];
  if (typeof value !== 'string') throw new RangeError(`the path has no parameter ${name}`);
  return value;
}
