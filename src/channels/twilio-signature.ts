import twilio from 'twilio';

/** Tells requests of Twilio from anybody else's. */
export interface TwilioSignatures {
  isSigned(request: SignedRequest): boolean;
}

export interface SignedRequest {
  /** The URL as Twilio was given it, query included: the public one, not what a proxy made of it. */
  url: string;
  /** The form as it came: nothing trimmed, nothing left out, a name that came twice as an array. */
  params: Record<string, string | string[]>;
  /** The header X-Twilio-Signature; an empty text when there is none. */
  signature: string;
}

/** HMAC-SHA1 in base64. Source: Twilio, "Webhooks security". */
const SIGNATURE = /^[A-Za-z0-9+/]{27}=$/;

/**
 * @param options - `authTokens`: of the account, the primary and while it is changed the secondary; each is tried
 * @throws RangeError for an empty token, with which anybody could sign
 */
export function createTwilioSignatures(options: { authTokens: readonly string[] }): TwilioSignatures {
  const authTokens = [...options.authTokens];
  if (authTokens.includes('')) throw new RangeError('an auth token must not be empty');
  return {
    isSigned({ url, params, signature }) {
      // What cannot be right costs no calculation, and the package throws for what is no URL.
      if (!SIGNATURE.test(signature) || !URL.canParse(url)) return false;
      return authTokens.some((authToken) => twilio.validateRequest(authToken, signature, url, params));
    },
  };
}
