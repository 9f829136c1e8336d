import type { MessageContent, SendResult } from '../../src/channels/channel';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { temporaryLog } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { openedChannels } from './opened-channels';
import { json, startScriptedTwilio, type ScriptedTwilio } from './scripted-twilio';
import { CONTENT_SID, FROM, textOf, TO } from './twilio-subject';

const ACCEPTED = json(201, { sid: `SM${'1'.repeat(32)}`, status: 'queued' });

describe('whatsapp', () => {
  const open = openedChannels();
  let twilio: ScriptedTwilio;
  const send = (content: MessageContent, from = FROM): Promise<SendResult> =>
    open(twilio.url, { from: { sms: FROM, whatsapp: from } }).whatsapp.send({
      to: TO,
      attemptId: 'att_1',
      content,
    });
  const form = (): Record<string, string> => Object.fromEntries(twilio.requests.at(-1)?.form ?? []);

  beforeEach(async () => {
    twilio = await startScriptedTwilio(ACCEPTED);
  });
  afterEach(async () => {
    await twilio.close();
  });

  it.each([FROM, `whatsapp:${FROM}`])(
    'sends free text from %s between two WhatsApp addresses',
    async (from) => {
      await send(textOf('Grüße & 100 %'), from);

      expect(form()).toEqual({ To: `whatsapp:${TO}`, From: `whatsapp:${FROM}`, Body: 'Grüße & 100 %' });
    },
  );

  it('sends through a messaging service', async () => {
    const messagingServiceSid = `MG${'1'.repeat(32)}`;

    await send(textOf('x'), messagingServiceSid);

    expect(form()).toEqual({ To: `whatsapp:${TO}`, MessagingServiceSid: messagingServiceSid, Body: 'x' });
  });

  it('sends a template with its variables instead of the text', async () => {
    const contentVariables = { 1: 'ord_1', 2: '10,00 €' };

    await send({ ...textOf('Order ord_1: 10,00 €'), contentSid: CONTENT_SID, contentVariables });

    const { ContentVariables, ...rest } = form();
    expect(rest).toEqual({ To: `whatsapp:${TO}`, From: `whatsapp:${FROM}`, ContentSid: CONTENT_SID });
    expect(JSON.parse(ContentVariables ?? '')).toEqual(contentVariables);
  });

  it('sends a template without variables', async () => {
    await send({ ...textOf('Welcome'), contentSid: CONTENT_SID });

    expect(form()).toEqual({ To: `whatsapp:${TO}`, From: `whatsapp:${FROM}`, ContentSid: CONTENT_SID });
  });

  it.each([
    ['is empty', ''],
    ['is white space', '  '],
    ['has a line break', 'a\nb'],
    ['has a carriage return', 'a\rb'],
    ['has a line separator', 'a\u2028b'],
    ['has a tab', 'a\tb'],
    ['has five spaces in a row', 'a     b'],
    ['is too long', 'a'.repeat(1_601)],
  ])('refuses a variable that %s, without asking Twilio or repeating it', async (_name, value) => {
    const contentVariables = { 1: 'fine', 2: value };

    const result = await send({ ...textOf('x'), contentSid: CONTENT_SID, contentVariables });

    expect(result).toMatchObject({ kind: 'rejected', code: 'invalid_variables' });
    expect(result).toHaveProperty('message', expect.stringMatching(/^Variable 2 [a-z 0-9,]+\.$/));
    expect(twilio.requests).toHaveLength(0);
  });

  it('sends a variable with four spaces in a row', async () => {
    const result = await send({
      ...textOf('x'),
      contentSid: CONTENT_SID,
      contentVariables: { 1: 'a    b    c' },
    });

    expect(result.kind).toBe('accepted');
  });

  it('sends 1,600 characters and refuses one more without asking', async () => {
    const longest = await send(textOf('ü'.repeat(1_600)));
    const tooLong = await send(textOf('ü'.repeat(1_601)));

    expect(longest.kind).toBe('accepted');
    expect(tooLong).toMatchObject({ kind: 'rejected', code: 'body_too_long' });
    expect(twilio.requests).toHaveLength(1);
  });
});

describe('whatsapp against the fake Twilio', () => {
  const open = openedChannels();

  it('accepts free text outside of the window and reads 63016 later', async () => {
    const log = temporaryLog();
    const fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    const { whatsapp } = open(fake.url);

    const result = await whatsapp.send({ to: TO, attemptId: 'att_1', content: textOf('Out of the blue') });
    const sid = result.kind === 'accepted' ? result.sid : '';
    const report = await waitFor('Twilio tells why it did not arrive', async () => {
      const now = await whatsapp.read(sid);
      return now?.errorCode != null && now;
    });

    expect(report.errorCode).toBe('63016');
    expect(['failed', 'undelivered']).toContain(report.status);
    await fake.close();
    log.remove();
  });
});
