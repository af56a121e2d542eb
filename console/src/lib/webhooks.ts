/** Objects of the webhook API, as `/openapi.json` describes them. */
export interface Webhook {
  readonly id: string;
  readonly tenant: string | null;
  readonly url: string;
  readonly description: string;
  /** Types and patterns of events. */
  readonly events: readonly string[];
  readonly status: 'enabled' | 'disabled';
  /** Null unless Weir disabled it. */
  readonly disabled_reason: string | null;
  readonly failing_since: string | null;
  readonly previous_secret_expires_at: string | null;
  readonly created_at: string;
}

export interface DeliveryAttempt {
  readonly at: string;
  readonly duration_ms: number;
  /** Null without a response. */
  readonly status: number | null;
  readonly error: string | null;
  readonly response: string;
}

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;

export interface Delivery {
  readonly id: string;
  /** Id of the event. */
  readonly event: string;
  readonly type: string;
  readonly state: (typeof DELIVERY_STATES)[number];
  readonly attempts: number;
  readonly next_attempt_at: string | null;
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly log: readonly DeliveryAttempt[];
  /** The body of its requests; of a single delivery. */
  readonly payload?: string;
}

/** Where the webhooks of a tenant are, or those of the installation. */
export const webhooksPath = (tenant: string | undefined): string =>
  tenant === undefined ? '/admin/v1/webhooks' : `/admin/v1/tenants/${tenant}/webhooks`;

/** @returns patterns that were typed with commas, spaces or lines between them */
export const patternsOf = (text: string): string[] => text.split(/[\s,]+/).filter((one) => one !== '');

/** @returns the types that patterns select; `*` stands for any characters. The server checks them again. */
export function selectedTypes(patterns: readonly string[], types: readonly string[]): string[] {
  return types.filter((type) => patterns.some((pattern) => matches(pattern, type)));
}

/** Without a regular expression: a pattern with many `*` would make one slow. */
function matches(pattern: string, type: string): boolean {
  const [first = '', ...parts] = pattern.split('*');
  const last = parts.pop();
  if (last === undefined) return pattern === type;
  if (!type.startsWith(first) || !type.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= type.length - last.length;
}

/** `HTTP 204 after 12 ms`, or why there was no response. */
export function attemptText({ status, error, duration_ms: ms }: DeliveryAttempt): string {
  return `${error ?? `HTTP ${status}`} after ${Math.round(ms)} ms`;
}

/** Why a webhook was disabled, as a sentence. */
export function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}${/[.!?]$/.test(reason) ? '' : '.'}`;
}
