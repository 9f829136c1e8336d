import { z } from 'zod';
import { parseJson } from './fake-server';
import { badRequest, type TwilioRefusal } from './twilio-errors';

/** A content template of the account, as the control document gives it. */
export const contentSchema = z.strictObject({
  sid: z.string().regex(/^HX[0-9a-fA-F]{32}$/),
  /** The text with its placeholders: `Order #{{1}} confirmed.` */
  body: z.string().min(1),
  /** Texts for placeholders that a message leaves out. */
  variables: z.record(z.string(), z.string().min(1)).optional(),
});

export type TwilioContent = z.infer<typeof contentSchema>;

/** The text of a message, or why Twilio refuses to make one. */
export type RenderedBody = { body: string } | { refusal: TwilioRefusal };

const PLACEHOLDER = /\{\{(\w+)\}\}/g;
const INVALID_SID = badRequest(21655, 'The ContentSid is Invalid');
const INVALID_VARIABLES = badRequest(21656, 'The ContentVariables Parameter is invalid');

/** The account's content templates. */
export class TwilioContents {
  readonly #contents = new Map<string, TwilioContent>();

  add(contents: readonly TwilioContent[]): void {
    for (const content of contents) this.#contents.set(content.sid, content);
  }

  /** Oldest first. */
  list(): TwilioContent[] {
    return [...this.#contents.values()];
  }

  /**
   * The text that the form asks for. A template that the account does not have is refused, as by Twilio: 21655.
   * Variables that are no JSON object, empty, missing without a default, or with a newline, a tab or more than four
   * spaces in a row are 21656; variables without a template are 21654. Source: Twilio's pages of these errors.
   */
  render(form: URLSearchParams): RenderedBody {
    const sid = form.get('ContentSid');
    const given = form.get('ContentVariables');
    if (!sid) {
      return given ? { refusal: badRequest(21654, 'ContentSid Required') } : { body: form.get('Body') ?? '' };
    }
    const content = this.#contents.get(sid);
    if (!content) return { refusal: INVALID_SID };
    const variables = given ? parseVariables(given) : {};
    if (!variables) return { refusal: INVALID_VARIABLES };
    const values = { ...content.variables, ...variables };
    const isComplete = [...content.body.matchAll(PLACEHOLDER)].every(([, name]) =>
      Object.hasOwn(values, name ?? ''),
    );
    if (!isComplete) return { refusal: INVALID_VARIABLES };
    return { body: content.body.replaceAll(PLACEHOLDER, (_whole, name: string) => values[name] ?? '') };
  }
}

function parseVariables(text: string): Record<string, string> | null {
  const parsed = z.record(z.string(), z.string()).safeParse(parseJson(text));
  if (!parsed.success) return null;
  return Object.values(parsed.data).every(isUsableValue) ? parsed.data : null;
}

function isUsableValue(value: string): boolean {
  return value !== '' && !/[\n\t]| {5}/.test(value);
}
