import type { SendResult } from '../../src/channels/channel';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { controlFake, temporaryLog } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { openedChannels } from './opened-channels';
import { json, startScriptedTwilio, type ScriptedTwilio } from './scripted-twilio';
import { FROM, spokenIn, textOf, TO } from './twilio-subject';

const SID = `CA${'1'.repeat(32)}`;

describe('voice', () => {
  const open = openedChannels();
  let twilio: ScriptedTwilio;
  const send = (body: string, language = 'en'): Promise<SendResult> =>
    open(twilio.url).voice.send({ to: TO, attemptId: 'att_1', content: { body, language } });
  const twiml = (): string => twilio.requests.at(-1)?.form.get('Twiml') ?? '';

  beforeEach(async () => {
    twilio = await startScriptedTwilio(json(201, { sid: SID, status: 'queued' }));
  });
  afterEach(async () => {
    await twilio.close();
  });

  it('calls with a bounded ring time and machine detection, and no callback by default', async () => {
    const result = await send('Hello');

    expect(result).toMatchObject({ kind: 'accepted', sid: SID, status: 'queued' });
    const [{ path, form } = { path: '', form: new URLSearchParams() }] = twilio.requests;
    expect(path).toMatch(/^\/2010-04-01\/Accounts\/AC0{32}\/Calls\.json$/);
    expect([...form.keys()].sort()).toEqual(['From', 'MachineDetection', 'Timeout', 'To', 'Twiml']);
    expect(Object.fromEntries(form)).toMatchObject({
      To: TO,
      From: FROM,
      MachineDetection: 'Enable',
      Timeout: '30',
    });
  });

  it('asks for every status of the call when it can be reported to', async () => {
    const { voice } = open(twilio.url, {
      statusCallbackUrl: (attemptId) => `https://shop.example/status?na=${attemptId}`,
    });

    await voice.send({ to: TO, attemptId: 'att_7', content: textOf('Hello') });

    const { form } = twilio.requests[0]!;
    expect(form.get('StatusCallback')).toBe('https://shop.example/status?na=att_7');
    expect(form.getAll('StatusCallbackEvent')).toEqual(['initiated', 'ringing', 'answered', 'completed']);
  });

  it('says the text twice with a pause between, in its language', async () => {
    await send('Bestellung bestätigt.', 'de-AT');

    expect(twiml()).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><Response>' +
        '<Say language="de-AT">Bestellung bestätigt.</Say><Pause length="1"/>' +
        '<Say language="de-AT">Bestellung bestätigt.</Say></Response>',
    );
  });

  it('reads markup out instead of carrying it out', async () => {
    const body = '</Say><Dial>+19005550100</Dial><Say> & "quoted" ]]> &amp;';

    await send(body);

    expect(twiml()).not.toContain('<Dial>');
    expect(spokenIn(twiml())).toEqual([body, body]);
  });

  it.each([
    ['a control character', 'a\u0007b'],
    ['NUL', 'a\u0000b'],
    ['half a character', 'a\ud800b'],
    ['what is no character', 'a\uffffb'],
  ])('leaves out %s, which XML cannot hold', async (_name, body) => {
    const result = await send(body);

    expect(result.kind).toBe('accepted');
    expect(spokenIn(twiml())).toEqual(['a b', 'a b']);
  });

  it('speaks what fits into 4,000 characters of TwiML, escaped, and refuses one more without asking', async () => {
    await send('x');
    const frame = twiml().length - 2;
    const fitting = Math.floor((4_000 - frame) / 2 / '&amp;'.length);

    const longest = await send('&'.repeat(fitting));
    const longestTwiml = twiml().length;
    const tooLong = await send('&'.repeat(fitting + 1));

    expect(longest.kind).toBe('accepted');
    expect(longestTwiml).toBeGreaterThan(4_000 - 2 * '&amp;'.length);
    expect(longestTwiml).toBeLessThanOrEqual(4_000);
    expect(tooLong).toMatchObject({ kind: 'rejected', code: 'twiml_too_long' });
    expect(twilio.requests).toHaveLength(2);
  });

  it.each(['sw', 'tlh', '', 'not a language'])(
    'refuses the language "%s" without asking',
    async (language) => {
      const result = await send('Hello', language);

      expect(result).toMatchObject({ kind: 'rejected', code: 'unsupported_language' });
      expect(twilio.requests).toHaveLength(0);
    },
  );
});

describe('looking for a call', () => {
  const open = openedChannels();

  it('asks for calls from our number to this person, without a start time', async () => {
    const twilio = await startScriptedTwilio(
      json(200, {
        calls: [
          { sid: SID, status: 'queued', direction: 'outbound-api', answered_by: null },
          { sid: 'leg', status: 'completed', direction: 'outbound-dial', answered_by: null },
        ],
      }),
    );

    const found = await open(twilio.url).voice.find({ to: TO, body: 'x', since: new Date().toISOString() });
    await twilio.close();

    expect(found).toEqual([{ sid: SID, status: 'queued', errorCode: null, answeredBy: null }]);
    const { path, query } = twilio.requests[0]!;
    expect(path).toMatch(/\/Calls\.json$/);
    expect(Object.fromEntries(query)).toEqual({ To: TO, From: FROM, PageSize: '50' });
  });

  it.each([
    [{ statuses: ['ringing', 'in-progress', 'completed'], answeredBy: 'machine_start' }, 'machine_start'],
    [{}, 'human'],
    [{ statuses: ['ringing', 'busy'] }, null],
  ])('reads who answered: %j', async (outcome, answeredBy) => {
    const log = temporaryLog();
    const fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    await controlFake(fake.url, { outcomes: [outcome] });
    const { voice } = open(fake.url);
    const since = new Date().toISOString();

    const result = await voice.send({ to: TO, attemptId: 'att_1', content: textOf('Hello') });
    const sid = result.kind === 'accepted' ? result.sid : '';
    const report = await waitFor('the call has ended', async () => {
      const now = await voice.read(sid);
      return ['completed', 'busy'].includes(now?.status ?? '') && now;
    });

    expect(report.answeredBy).toBe(answeredBy);
    expect(await voice.find({ to: TO, body: 'anything', since })).toEqual([{ sid, ...report }]);
    await fake.close();
    log.remove();
  });
});
