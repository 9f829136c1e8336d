import type { FakeRequest } from './fake-server';
import type { TwilioRecord } from './twilio-records';

/** Who asks. */
export interface Credentials {
  accountSid: string;
  authToken: string;
}

/** The auth tokens of the accounts. They are kept in memory only: the evidence holds no credentials. */
export class TwilioTokens {
  #allowed: readonly string[] = [];
  /** The last one used, by account, oldest account first. */
  readonly #last = new Map<string, string>();
  readonly #creators = new WeakMap<TwilioRecord, string>();

  /** Empty: any token will do. */
  allow(tokens: readonly string[]): void {
    this.#allowed = tokens;
  }

  get areGiven(): boolean {
    return this.#allowed.length > 0;
  }

  /** The account of the path and its token, or null when Twilio would answer 401. */
  authenticate(request: FakeRequest, accountSid: string): Credentials | null {
    const [scheme, encoded] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() !== 'basic' || !encoded) return null;
    const [user, ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
    const authToken = rest.join(':');
    if (user !== accountSid || authToken === '') return null;
    if (this.areGiven && !this.#allowed.includes(authToken)) return null;
    this.#last.set(accountSid, authToken);
    return { accountSid, authToken };
  }

  /** Remembers who created a record. */
  created(record: TwilioRecord, authToken: string): void {
    this.#creators.set(record, authToken);
  }

  /**
   * What a webhook of this record is signed with: the primary token when the tokens are given, as at Twilio, else the one
   * that created it, else the account's last one.
   */
  signingTokenOf(record: TwilioRecord): string | undefined {
    return this.#allowed[0] ?? this.#creators.get(record) ?? this.#last.get(record.accountSid);
  }

  /** What a webhook that no request of the account caused is signed with. */
  signingTokenFor(accountSid: string): string | undefined {
    return this.#allowed[0] ?? this.#last.get(accountSid);
  }

  /** The account that asked last. */
  get lastAccount(): string | undefined {
    return [...this.#last.keys()].at(-1);
  }
}
