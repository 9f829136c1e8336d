import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { setting, type Environment } from './cache';

/** A command that is run to its end. */
export interface CommandOptions {
  command: string;
  args: string[];
  cwd?: string;
  /** The command's whole environment. Default: ours. */
  env?: Environment;
  user?: { uid: number; gid: number } | undefined;
  /** The command is killed after this many milliseconds. */
  timeoutMs: number;
  /** Called with each line of stdout and stderr. */
  onLine?: (line: string) => void;
  /** Ends the command early; its reason becomes the failure. */
  signal?: AbortSignal;
}

/** How a command ended. */
export interface CommandResult {
  succeeded: boolean;
  /** The end of stdout and stderr together, at most 64 KiB. */
  output: string;
  /** Why it did not succeed; empty when it did. */
  failure: string;
}

const OUTPUT_CHARACTERS_MAX = 64 * 1024;

/** Runs a command to its end. A command that is missing, fails or is killed is a result, not an error. */
export function runCommand(options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    let rest = '';
    let killedBecause = '';
    const child = spawn(options.command, options.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.user ?? {}),
    });
    const kill = (reason: string): void => {
      killedBecause = reason;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(
      () => kill(`it did not end within ${options.timeoutMs / 1000} s`),
      options.timeoutMs,
    );
    options.signal?.addEventListener('abort', () => kill(String(options.signal?.reason)), { once: true });
    const collect = (chunk: Buffer): void => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const finish = (failure: string): void => {
      clearTimeout(timer);
      resolve({ succeeded: failure === '', output: output.trim(), failure });
    };
    child.once('error', (error) => finish(error.message));
    child.once('close', (code, signal) => {
      if (killedBecause !== '') finish(killedBecause);
      else finish(code === 0 ? '' : `it ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}

/** The full path of a command, looked up as a shell would; undefined when there is none. */
export async function findOnPath(name: string, env: Environment): Promise<string | undefined> {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  const searchPath = setting(env, 'PATH') ?? setting(env, 'Path') ?? '';
  for (const directory of searchPath.split(path.delimiter).filter((entry) => entry !== '')) {
    for (const ending of endings) {
      const candidate = path.join(directory, name + ending);
      if (await isExecutableFile(candidate)) return candidate;
    }
  }
  return undefined;
}

/** True for a file that we may execute. */
export async function isExecutableFile(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
