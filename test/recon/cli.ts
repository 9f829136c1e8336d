import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Stack } from '../e2e/stack';

const PROGRAM = path.resolve(__dirname, '../../dist/cli/aftercommit.js');

/** Runs the compiled command against a stack, as an operator would. */
export function runCli(
  stack: Pick<Stack, 'database' | 'temporalServer' | 'fakeUrls'>,
  args: string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: stack.database.url,
      TEMPORAL_ADDRESS: stack.temporalServer.address,
      TEMPORAL_NAMESPACE: 'default',
      TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
      TWILIO_AUTH_TOKEN: 'fake',
      TWILIO_FROM: '+15005550006',
      AFTERCOMMIT_TWILIO_URL: stack.fakeUrls.twilio,
      AFTERCOMMIT_PAYMENT_URL: stack.fakeUrls.payments,
      AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
      LOG_LEVEL: 'error',
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString('utf8')));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString('utf8')));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
