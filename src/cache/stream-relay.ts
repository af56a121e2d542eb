import type { ErrorCode } from '../core/errors.ts';
import type { Frame, StreamMode } from '../core/stream/frame.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import type { Skipped } from './cache-store.ts';

/** An upstream call whose stream one gateway passes to others. */
export interface RelayedCall {
  readonly tenant: string;
  /** What the requests that may share it have in common. */
  readonly name: string;
  /** Of this call; random, so that a later one of the same name is another. */
  readonly id: string;
}

export interface RelayClaim {
  readonly call: RelayedCall;
  /** This gateway makes the call; otherwise another one does. */
  readonly isMine: boolean;
}

/** What is known of a stream before its first frame. */
export interface RelayHead {
  readonly mode: StreamMode;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly warnings: readonly Warning[];
}

/** How a relayed stream ended; `abandoned` where others have to make the call themselves. */
export type RelayEnd =
  | {
      readonly kind: 'done';
      readonly usage: Usage | undefined;
      readonly finishReason: string | undefined;
      readonly chunks: number;
    }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'abandoned' };

/** Frames of a stream that are passed on together. */
export interface RelayPart {
  /** With the first frames only. */
  readonly head?: RelayHead | undefined;
  readonly frames: readonly Frame[];
  readonly end?: RelayEnd | undefined;
}

export interface RelayReading {
  /** In order, without gaps. */
  readonly parts: readonly RelayPart[];
  /** Parts were removed before this reader got them, or cannot be opened. */
  readonly isTorn: boolean;
  /** The gateway that makes the call still does, or has ended it a moment ago. */
  readonly isAlive: boolean;
}

/** Passes the frames of a stream from the gateway that makes a call to others, through a store that they share. */
export interface StreamRelay {
  /** @returns who makes the call of a name: this gateway, from now on, or another one */
  claim(name: string, tenant: string): Promise<RelayClaim | Skipped>;
  /**
   * Adds a part, and renews the claim; without a part it does that only.
   * @param number of the part, from 1
   * @param firstKept number of the first part that readers may still need
   * @returns whether another gateway reads
   * @throws Error when the store cannot be reached
   */
  append(call: RelayedCall, part: RelayPart | undefined, number: number, firstKept: number): Promise<boolean>;
  /** Ends the claim: the next request of this name makes a call. Never throws. */
  release(call: RelayedCall): void;
  /**
   * Reads, and keeps the call going for a while.
   * @param after number of the last part that was read; 0 for none
   * @param most parts; 0 only keeps the call going
   * @throws Error when the store cannot be reached
   */
  read(call: RelayedCall, after: number, most: number): Promise<RelayReading>;
}
