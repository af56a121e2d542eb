import { spawn } from 'node:child_process';
import { killGroup } from './child-process.ts';

/** How a program ended. */
export type ProgramResult =
  | { readonly kind: 'exited'; readonly code: number | null; readonly output: string }
  | { readonly kind: 'timeout' | 'too_large' }
  /** It could not be started. */
  | { readonly kind: 'failed'; readonly error: Error };

export interface ProgramOptions {
  /** Path of the program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed, with all processes that it started. */
  readonly timeoutMs: number;
  /** Bytes of standard output; a program that writes more is killed. */
  readonly maxBytes: number;
}

/**
 * Runs a program to its end, without blocking the event loop and in bounded time and memory. Standard error is discarded.
 * Never rejects.
 */
export function runProgram({
  program,
  args,
  env,
  timeoutMs,
  maxBytes,
}: ProgramOptions): Promise<ProgramResult> {
  const { promise, resolve } = Promise.withResolvers<ProgramResult>();
  try {
    // A group of its own: its children can be killed too.
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    const parts: Buffer[] = [];
    let bytes = 0;
    const end = (result: ProgramResult) => {
      clearTimeout(timer);
      resolve(result);
    };
    const stop = (kind: 'timeout' | 'too_large') => {
      if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
      child.stdout.destroy();
      end({ kind });
    };
    const timer = setTimeout(() => stop('timeout'), timeoutMs);
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > maxBytes) stop('too_large');
      else parts.push(part);
    });
    // The close event reports the end.
    child.stdout.on('error', () => undefined);
    child.once('error', (error) => end({ kind: 'failed', error }));
    child.once('close', (code) =>
      end({ kind: 'exited', code, output: Buffer.concat(parts).toString('utf8') }),
    );
  } catch (thrown) {
    resolve({ kind: 'failed', error: thrown instanceof Error ? thrown : new Error(String(thrown)) });
  }
  return promise;
}
