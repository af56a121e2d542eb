import type { AnyInterceptorDefinition } from './interceptor.ts';
import { continuation } from './interceptors/continuation.ts';
import { escalation } from './interceptors/escalation.ts';
import { limits } from './interceptors/limits.ts';
import { mirror } from './interceptors/mirror.ts';
import { serverTiming } from './interceptors/server-timing.ts';
import { settlement } from './interceptors/settlement.ts';
import { systemPromptPrefix } from './interceptors/system-prompt-prefix.ts';

/**
 * The interceptor chain, outermost first: a call passes it from top to bottom, its response from bottom to top. Behind the last
 * one, dispatch asks targets: failover { hedging { admission queue -> attempt } }.
 */
export const INTERCEPTORS: readonly AnyInterceptorDefinition[] = [
  serverTiming,
  systemPromptPrefix,
  settlement,
  limits,
  mirror,
  escalation,
  continuation,
];
