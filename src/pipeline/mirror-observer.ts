import type { Outcome } from './request-context.ts';

/** What one of two requests with the same content did. */
export interface MirrorSide {
  readonly outcome: Outcome['kind'];
  readonly durationMs: number;
  readonly firstMs: number | undefined;
  readonly outputTokens: number | undefined;
  readonly finishReason: string | undefined;
  /** US dollars. */
  readonly cost: string | undefined;
}

/** Observes pairs of a request and its mirrored copy. */
export interface MirrorObserver {
  /** Both have ended. */
  mirrored(model: string, mirror: string, primary: MirrorSide, copy: MirrorSide): void;
  /** A copy was not sent, because the maximum is running. */
  mirrorSkipped(model: string, mirror: string): void;
}
