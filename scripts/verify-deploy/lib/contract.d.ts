import type { Tools } from './tools.mjs';

/** Outcome of a check. */
export interface Outcome {
  readonly result: 'proved' | 'failed' | 'unproved';
  /** Measured values, or why the check failed. */
  readonly detail?: string;
  /** What this machine cannot show. */
  readonly gap?: string;
}

export interface CheckContext {
  /** Path of the checkout. */
  readonly root: string;
  readonly tools: Tools;
  /** @returns path of a new empty folder, deleted after the check */
  temporary(): string;
  print(line: string): void;
}

/** A check of one artefact with one tool. */
export interface Check {
  readonly artefact: string;
  readonly tool: string;
  run(context: CheckContext): Promise<Outcome>;
}
