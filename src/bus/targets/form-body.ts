/** A text that is not a flat object: the message says why, without values. */
export type FormBody = { kind: 'encoded'; text: string } | { kind: 'refused'; message: string };

/**
 * Turns a JSON object of texts, numbers and booleans into `application/x-www-form-urlencoded`, in the members' order, as
 * Twilio's API takes it. Null, lists and objects have no form that all receivers read alike, so they are refused.
 * Source: WHATWG URL Standard, "application/x-www-form-urlencoded serializing".
 */
export function formBody(payload: string): FormBody {
  const parsed = parseJson(payload);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { kind: 'refused', message: 'A form-encoded payload must be a JSON object.' };
  }
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      return { kind: 'refused', message: 'A form-encoded payload holds only texts, numbers and booleans.' };
    }
    form.append(name, String(value));
  }
  return { kind: 'encoded', text: form.toString() };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
