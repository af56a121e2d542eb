import { spawn } from 'node:child_process';

export interface GuardedProgram {
  readonly pid: number | undefined;
  /** Asks it to end. Resolves when it has. */
  stop(): Promise<void>;
}

export interface GuardedProgramEvents {
  /** Called once. @param how such as `ended with code 1`, with its last output */
  readonly onExit: (how: string) => void;
}

/**
 * Runs the program that follows, and ends it when the standard input is closed: when the process that started it has ended,
 * however it ended.
 */
const GUARD =
  'exec 3<&0; "$@" 3<&- </dev/null & program=$!; { read -r _ <&3; kill "$program"; } >/dev/null 2>&1 & wait "$program"';

const MAX_OUTPUT = 2_000;

/** Starts a program that ends with this process, also when this one is killed. It needs `sh`. */
export function startGuardedProgram(
  command: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  { onExit }: GuardedProgramEvents,
): GuardedProgram {
  const child = spawn('sh', ['-c', GUARD, 'sh', ...command], {
    ...options,
    // A signal of the terminal must not end it before the requests that use it.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      output = (output + part).slice(-MAX_OUTPUT);
    });
  }
  // The end of the program is reported.
  child.stdin.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (how: string) => {
    child.stdin.end();
    resolve();
    onExit(output.trim() === '' ? how : `${how}: ${output.trim()}`);
  };
  child.once('error', (error) => end(`could not be started: ${error.message}`));
  child.once('exit', (code, signal) =>
    end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
  );
  return {
    pid: child.pid,
    stop: () => {
      child.stdin.end();
      return promise;
    },
  };
}
