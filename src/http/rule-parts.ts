import { compilePattern } from '../bus/pattern';
import { compileTransformer, type CompiledTransformer, type TransformerConfig } from '../bus/transformer';
import { InvalidPatternError, InvalidTransformerError } from '../errors';
import { fieldsUnder } from './validation';
import { z } from './zod';

/** What a rule is made of, as callers write it: stored by one route, tried by another. */

export const Pattern = z.record(z.string(), z.unknown()).openapi({
  type: 'object',
  description: 'An event pattern in the language of EventBridge',
  example: { source: ['ecommerce.orders'], 'detail-type': ['order.confirmed'] },
});
/** One object with every member, so that a mistake is told by its place; that there is one form only is the bus's to say. */
export const Transformer = z
  .strictObject({
    inputPathsMap: z.record(z.string(), z.string()).optional(),
    inputTemplate: z.string().optional(),
    input: z
      .string()
      .optional()
      .openapi({ description: 'A constant: JSON text', example: '{"kind":"order"}' }),
    inputPath: z.string().optional().openapi({ description: 'A part of the event', example: '$.detail' }),
    jsonata: z.string().optional().openapi({
      description: 'An expression in JSONata over the event; needs the optional package `jsonata`',
      example: '{ "id": detail.orderId }',
    }),
  })
  .openapi('Transformer', {
    description: 'In exactly one form; `inputPathsMap` belongs to `inputTemplate`',
    oneOf: ['inputTemplate', 'input', 'inputPath', 'jsonata'].map((form) => ({ required: [form] })),
    example: { inputPathsMap: { id: '$.detail.orderId' }, inputTemplate: '{"id": <id>}' },
  });

/** Without members that are undefined: what is stored has none. Whether it is one of the forms is judged by `compileAt`. */
export function transformerOf(body: z.output<typeof Transformer>): TransformerConfig {
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as unknown as TransformerConfig;
}

export function checkPattern(pattern: unknown): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(pattern);
  } catch (error) {
    if (!(error instanceof InvalidPatternError)) throw error;
    throw new InvalidPatternError(error.message, {
      fields: fieldsUnder(['pattern'], error.fields),
      cause: error,
    });
  }
}

export function compileAt(
  path: readonly (string | number)[],
  config: TransformerConfig,
): CompiledTransformer {
  try {
    return compileTransformer(config);
  } catch (error) {
    if (!(error instanceof InvalidTransformerError)) throw error;
    throw new InvalidTransformerError(error.message, {
      fields: fieldsUnder(path, error.fields),
      cause: error,
    });
  }
}
