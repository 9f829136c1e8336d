import { createStatusCallbacks } from '../../src/channels/status-callback';
import { createTwilioChannels } from '../../src/channels/twilio-channels';
import { createTwilioClient } from '../../src/channels/twilio-client';
import { createTwilioSignatures } from '../../src/channels/twilio-signature';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { describeChannelContract } from '../contract/channel';
import { temporaryLog } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { openedChannels } from './opened-channels';
import { startScriptedTwilio } from './scripted-twilio';
import { ACCOUNT, FROM, startTwilioSubject, textOf, TO } from './twilio-subject';

describeChannelContract('sms', () => startTwilioSubject('sms'));
describeChannelContract('whatsapp', () => startTwilioSubject('whatsapp'));
describeChannelContract('voice', () => startTwilioSubject('voice'));

describe('the channels through Twilio', () => {
  it.each([
    [{ sms: FROM }, ['sms']],
    [{ sms: FROM, voice: FROM }, ['sms', 'voice']],
    [{ sms: FROM, whatsapp: FROM, voice: undefined }, ['sms', 'whatsapp']],
  ])('has a channel for each sender of %j and no other', (from, names) => {
    const twilio = createTwilioChannels({ ...ACCOUNT, from });

    expect(Object.keys(twilio.channels)).toEqual(names);
    twilio.close();
  });

  it('can be closed twice', () => {
    const twilio = createTwilioChannels({ ...ACCOUNT, from: { sms: FROM } });
    twilio.close();

    expect(() => {
      twilio.close();
    }).not.toThrow();
  });

  it('never has autoRetry on', () => {
    const client = createTwilioClient(ACCOUNT);

    expect(client.rest.autoRetry).toBe(false);
    expect(client.rest.httpClient.autoRetry).toBe(false);
    client.close();
  });

  it('speaks to Twilio itself without a base URL', () => {
    const client = createTwilioClient(ACCOUNT);

    expect(client.rest.api.v2010.absoluteUrl('Accounts')).toBe('https://api.twilio.com/2010-04-01/Accounts');
    client.close();
  });
});

describe('reports of Twilio', () => {
  const open = openedChannels();

  it.each([
    ['sms', 'MessageStatus', ['delivered']],
    // Free text outside of the window: which of the two it is depends on when WhatsApp refuses.
    ['whatsapp', 'MessageStatus', ['failed', 'undelivered']],
    ['voice', 'CallStatus', ['completed']],
  ] as const)('on %s come signed to the URL of their attempt', async (name, field, last) => {
    const log = temporaryLog();
    const fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    const receiver = await startScriptedTwilio((response) => response.writeHead(204).end());
    const callbacks = createStatusCallbacks({ publicUrl: receiver.url, key: Buffer.alloc(32, 7) });
    const signatures = createTwilioSignatures({ authTokens: ['next', ACCOUNT.authToken] });
    const channel = open(fake.url, { statusCallbackUrl: (attemptId) => callbacks.urlFor(attemptId) })[name];

    const result = await channel.send({ to: TO, attemptId: 'att_1', content: textOf('Hello') });
    await waitFor(`Twilio reports ${last.join(' or ')}`, () =>
      (last as readonly string[]).includes(receiver.requests.at(-1)?.form.get(field) ?? ''),
    );

    expect(receiver.requests.length).toBeGreaterThanOrEqual(name === 'whatsapp' ? 1 : 2);
    for (const { target, query, form, headers } of receiver.requests) {
      expect(callbacks.isFrom(query.get('na')!, query.get('t')!)).toBe(true);
      expect(query.get('na')).toBe('att_1');
      const params = Object.fromEntries(form);
      const signature = String(headers['x-twilio-signature']);
      expect(signatures.isSigned({ url: `${receiver.url}${target}`, params, signature })).toBe(true);
      expect(params[name === 'voice' ? 'CallSid' : 'MessageSid']).toBe('sid' in result ? result.sid : null);
    }
    await receiver.close();
    await fake.close();
    log.remove();
  });
});
