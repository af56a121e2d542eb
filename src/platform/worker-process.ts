/** Processes of this program that exchange structured messages with the one that started them. */

export interface WorkerProcessSpec {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface WorkerProcessEvents {
  readonly onMessage: (message: unknown) => void;
  /** Receives the standard output in pieces of whole lines. */
  readonly onOutput: (lines: string) => void;
  /** Called once, after the last message. @param how such as `ended with code 1` */
  readonly onExit: (how: string) => void;
}

export interface WorkerProcess {
  readonly pid: number;
  /** Sends a message; one to a process that has ended is dropped. */
  send(message: unknown): void;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** Starts a process. Tests inject another function. */
export type StartWorkerProcess = (spec: WorkerProcessSpec, events: WorkerProcessEvents) => WorkerProcess;

/**
 * Starts a process. Its standard error is that of this process. It has to end when its channel is closed, which the end of
 * this process does too.
 * @throws Error when the program cannot be started
 */
export const startWorkerProcess: StartWorkerProcess = ({ command, env }, { onMessage, onOutput, onExit }) => {
  let isOver = false;
  const child = Bun.spawn({
    cmd: [...command],
    env: { ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    serialization: 'advanced',
    ipc: (message: unknown) => onMessage(message),
  });
  const output = relay(child.stdout, onOutput);
  void child.exited.then(async () => {
    isOver = true;
    await output;
    onExit(
      child.signalCode === null ? `ended with code ${child.exitCode}` : `was ended by ${child.signalCode}`,
    );
  });
  return {
    pid: child.pid,
    send: (message) => {
      if (!isOver) child.send(message);
    },
    kill: (signal) => {
      if (!isOver) child.kill(signal);
    },
  };
};

/** Passes on whole lines, and the last one even without its end. Never rejects. */
async function relay(stream: ReadableStream<Uint8Array>, onOutput: (lines: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const bytes of stream) {
      const text = rest + decoder.decode(bytes, { stream: true });
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      if (end > 0) onOutput(text.slice(0, end));
    }
  } catch {
    // The pipe broke with the process, whose end is reported.
  }
  if (rest !== '') onOutput(`${rest}\n`);
}

/** The channel of a process to the one that started it. */
export interface ParentLink {
  send(message: unknown): void;
  /** @param onClosed called once, when the other process ends */
  listen(onMessage: (message: unknown) => void, onClosed: () => void): void;
}

/** @returns undefined where this process was not started with a channel */
export function parentLink(): ParentLink | undefined {
  const send = process.send?.bind(process);
  if (!send) return undefined;
  return {
    send: (message) => {
      if (process.connected) send(message);
    },
    listen: (onMessage, onClosed) => {
      process.on('message', onMessage);
      process.once('disconnect', onClosed);
    },
  };
}
