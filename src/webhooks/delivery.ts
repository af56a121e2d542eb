import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import type { WebhookDeliveryRow } from '../storage/sql/webhook-tables.ts';

/** One attempt to deliver an event. */
export interface DeliveryAttempt {
  /** Unix milliseconds. */
  readonly at: number;
  readonly duration_ms: number;
  /** Null without a response. */
  readonly status: number | null;
  /** Null after a success. */
  readonly error: string | null;
  /** The beginning of the response's body. */
  readonly response: string;
}

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One event for one endpoint. Times are Unix milliseconds. */
export interface Delivery {
  readonly id: string;
  readonly webhook: string;
  /** Id of the event: that of the message, also when it is delivered again. */
  readonly event: string;
  readonly type: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** The last ones, at most. */
  readonly log: readonly DeliveryAttempt[];
  readonly payload: string;
  /** Null when no attempt will be made. */
  readonly nextAt: number | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

const attemptLog = z.array(
  z.object({
    at: z.number(),
    duration_ms: z.number(),
    status: z.number().nullable(),
    error: z.string().nullable(),
    response: z.string(),
  }),
);

/** @returns the delivery of a row */
export function deliveryOf(row: WebhookDeliveryRow): Delivery {
  const { id, webhook, event, type, attempts, payload } = row;
  const state = DELIVERY_STATES.find((one) => one === row.state) ?? 'failed';
  return {
    ...{ id, webhook, event, type, state, attempts, payload },
    log: attemptLog.safeParse(parseJsonText(row.log)).data ?? [],
    nextAt: state === 'pending' ? row.next_at : null,
    ...{ createdAt: row.created_at, finishedAt: row.finished_at },
  };
}
