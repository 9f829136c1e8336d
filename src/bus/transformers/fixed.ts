import { envelopeText } from '../../domain/events';
import { compileEventPath } from '../event-path';
import {
  checkedSource,
  refusal,
  TemplateError,
  withinOutputLimit,
  type CompiledTransformer,
} from './compiled';

/**
 * A constant: the same JSON text for every event, byte for byte as it was given. Source: EventBridge API, Target, Input.
 * @throws InvalidTransformerError (not retryable) with the pointer `/input` for what is not JSON
 */
export function compileConstant(input: unknown): CompiledTransformer {
  const text = checkedSource('input', input);
  if (!isJson(text)) throw refusal(['input'], 'This is not JSON; a text needs its quotes.');
  return { usesCustomer: false, render: () => Promise.resolve(text) };
}

/**
 * One part of the event, as JSON. A part that the event does not have is an error, where EventBridge sends nothing or an
 * empty text. Source: EventBridge API, Target, InputPath.
 * @throws InvalidTransformerError (not retryable) with the pointer `/inputPath` for what is no path
 */
export function compilePart(inputPath: unknown): CompiledTransformer {
  const text = checkedSource('inputPath', inputPath);
  const path = compileEventPath(text);
  if (path === null) throw refusal(['inputPath'], 'A path looks like $.detail or $.detail.lines[0].');
  return {
    usesCustomer: false,
    // eslint-disable-next-line @typescript-eslint/require-await -- A failure must reject, not throw.
    render: async (event) => {
      const value = path(event);
      if (value === undefined)
        throw new TemplateError('The event has nothing at the path of the transformer.');
      return withinOutputLimit(value === event ? envelopeText(event) : JSON.stringify(value));
    },
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
