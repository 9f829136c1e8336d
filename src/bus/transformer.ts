import type { CompiledTransformer } from './transformers/compiled';
import { refusal } from './transformers/compiled';
import { compileConstant, compilePart } from './transformers/fixed';
import { compileInputTemplate } from './transformers/input-template';
import { compileJsonata } from './transformers/jsonata';

export { TemplateError, type CompiledTransformer, type RenderContext } from './transformers/compiled';

/**
 * What a rule says about one of its targets, in exactly one form. Plain JSON: it is stored with each delivery as it was
 * when it matched. Source: EventBridge API, Target: Input, InputPath and InputTransformer exclude each other; JSONata is
 * an addition, as Step Functions has it.
 */
export type TransformerConfig =
  | {
      /** Variable name to JSON path in the event. */
      inputPathsMap?: Record<string, string> | undefined;
      inputTemplate: string;
    }
  /** A constant: JSON text. */
  | { input: string }
  /** A path in the event, such as `$.detail`: that part, as JSON. */
  | { inputPath: string }
  /** An expression over the event; needs the optional package `jsonata`. */
  | { jsonata: string };

const FORMS = ['inputTemplate', 'input', 'inputPath', 'jsonata'] as const;

/**
 * Compiles a transformer. Only an input template can name the customer.
 * @throws InvalidTransformerError (not retryable), with a JSON pointer into the transformer
 * @throws MissingDriverError (not retryable) for JSONata when its package is not installed
 */
export function compileTransformer(config: TransformerConfig): CompiledTransformer {
  const members: { [Member in (typeof FORMS)[number] | 'inputPathsMap']?: unknown } = config;
  const given = FORMS.filter((form) => members[form] !== undefined);
  const [form] = given;
  if (given.length > 1) throw refusal([], `A transformer has one of ${FORMS.join(', ')}, not several.`);
  if (form === undefined && members.inputPathsMap === undefined) {
    throw refusal([], `A transformer has one of ${FORMS.join(', ')}.`);
  }
  if (form !== undefined && form !== 'inputTemplate' && members.inputPathsMap !== undefined) {
    throw refusal(['inputPathsMap'], 'Only an inputTemplate has variables.');
  }
  switch (form) {
    case 'input':
      return compileConstant(members.input);
    case 'inputPath':
      return compilePart(members.inputPath);
    case 'jsonata':
      return compileJsonata(members.jsonata);
    default:
      return compileInputTemplate(members);
  }
}
