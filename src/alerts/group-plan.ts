import type { Alert } from './alert.ts';

/** What was reported of a group to a receiver. */
export interface GroupState {
  readonly episode: string;
  /** Ids of alerts that were reported as firing. */
  readonly reported: readonly string[];
  /** Unix milliseconds. */
  readonly sentAt: number;
}

export interface GroupTiming {
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
}

export interface GroupInput {
  /** Undefined before the first message. */
  readonly state: GroupState | undefined;
  /** Alerts of the group that fire and are not silenced. */
  readonly firing: readonly Alert[];
  /** Ids of all alerts that fire, silenced ones included. */
  readonly isFiring: (id: string) => boolean;
  /** Alerts that ended are reported. */
  readonly wantsResolved: boolean;
}

/** A message that is due. */
export interface GroupPlan {
  readonly firing: readonly Alert[];
  /** Ids of reported alerts that have ended. */
  readonly resolved: readonly string[];
  readonly isRepeated: boolean;
  /** Reported alerts, after the message. */
  readonly reported: readonly string[];
  /** False where only the state changes: recoveries that the receiver does not want. */
  readonly isSent: boolean;
}

/**
 * Decides whether a receiver gets a message about a group of alerts now. The first alert waits a moment for others. News
 * of a group that was reported wait for an interval, but for the recovery of all, which waits as the first alert does.
 * Recoveries of what was reported are sent during a silence, too.
 */
export function planGroup(input: GroupInput, timing: GroupTiming, now: number): GroupPlan | undefined {
  const { state, firing, isFiring, wantsResolved } = input;
  const { groupWaitMs, groupIntervalMs, repeatIntervalMs } = timing;
  const reported = state?.reported ?? [];
  const known = new Set(reported);
  const fresh = firing.filter(({ id }) => !known.has(id));
  const ended = reported.filter((id) => !isFiring(id));
  const still = reported.filter(isFiring);
  const after = [...still, ...fresh.map(({ id }) => id)];
  const plan = { firing, resolved: ended, reported: after, isRepeated: false, isSent: true };
  if (!state) {
    const first = Math.min(...fresh.map(({ firedAt }) => firedAt ?? now));
    return fresh.length > 0 && now - first >= groupWaitMs ? plan : undefined;
  }
  if (fresh.length > 0 || ended.length > 0) {
    const isOver = after.length === 0;
    const wait = isOver ? groupWaitMs : groupIntervalMs;
    if (now - state.sentAt < wait) return undefined;
    return { ...plan, isSent: fresh.length > 0 || wantsResolved };
  }
  if (firing.length > 0 && now - state.sentAt >= repeatIntervalMs) return { ...plan, isRepeated: true };
  return undefined;
}
