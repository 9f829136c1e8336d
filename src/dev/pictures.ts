import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'undici';
import type { Environment } from './cache';

/** Names under which a browser that can take pictures is found. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** The Web UI draws itself after some requests of its own, and never stops asking for more: nothing says when it is done. */
const DRAWING_MS = 5_000;
const SIZE = '1500,950';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--hide-scrollbars',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
  `--window-size=${SIZE}`,
];

/** Takes pictures of pages with a browser of this machine, through its DevTools protocol. */
export interface Camera {
  /** Writes `{name}.png`. */
  take(url: string, name: string): Promise<void>;
  close(): Promise<void>;
}

/** @returns null when there is no browser on the PATH */
export async function openCamera(environment: Environment, directory: string): Promise<Camera | null> {
  const folders = (environment['PATH'] ?? '').split(path.delimiter);
  const browser = BROWSERS.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(
    existsSync,
  );
  if (browser === undefined) return null;
  mkdirSync(directory, { recursive: true });
  const profile = mkdtempSync(path.join(tmpdir(), 'aftercommit-camera-'));
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { origin } = new URL((await addressOf(child)).replace('ws:', 'http:'));
  return {
    async take(url, name) {
      const target = `${origin}/json/new?${encodeURIComponent(url)}`;
      const page = (await (await fetch(target, { method: 'PUT' })).json()) as {
        webSocketDebuggerUrl: string;
      };
      await delay(DRAWING_MS);
      const { data } = await ask<{ data: string }>(page.webSocketDebuggerUrl, 'Page.captureScreenshot');
      writeFileSync(path.join(directory, `${name}.png`), Buffer.from(data, 'base64'));
    },
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      // Its own children end a little later, and write until then.
      await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** The browser says where it listens. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr!.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const found = /DevTools listening on (\S+)/.exec(text);
      if (found !== null) resolve(found[1]!);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the browser ended before it listened')));
  });
}

function ask<Result>(address: string, method: string): Promise<Result> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    socket.addEventListener('open', () => socket.send(JSON.stringify({ id: 1, method })));
    socket.addEventListener('error', () => reject(new Error('the browser hung up')));
    socket.addEventListener('message', ({ data }) => {
      socket.close();
      resolve((JSON.parse(String(data)) as { result: Result }).result);
    });
  });
}
