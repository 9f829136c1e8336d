import type { Request } from 'express';
import { MalformedRequestError, NotFoundError } from '../errors';
import { parameter } from './routes';
import { NAME } from './schemas';

/** The name in a path, of a thing that should be there. @throws NotFoundError: nothing can have another name */
export function nameIn(req: Request, what: string): string {
  const name = parameter(req, 'name');
  if (!NAME.test(name)) throw notFound(what);
  return name;
}

/**
 * The name in a path, of a thing that may be made.
 * @param of - the path's parameter
 * @throws MalformedRequestError
 */
export function newNameIn(req: Request, of = 'name'): string {
  const name = parameter(req, of);
  if (!NAME.test(name)) {
    throw new MalformedRequestError('A name has 1 to 64 letters, digits, dots, underscores or hyphens.');
  }
  return name;
}

/** @param what - `rule`, `target` or `connection` */
export function notFound(what: string): NotFoundError {
  return new NotFoundError(`There is no ${what} of this name.`);
}
