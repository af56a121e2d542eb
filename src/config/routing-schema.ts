import { z } from 'zod';
import { concurrency, duration, fromNumericText, integer, nullable, section } from './fields.ts';

/** Retries, health, circuit breakers and admission. */
export const routing = () =>
  section({
    retry: section({
      attempts: integer(1, 20)
        .prefault(3)
        .describe(
          'Attempts of a request after which no further round starts. 1: a target that failed is not tried again.',
        ),
      base: duration(0)
        .prefault('1s')
        .describe('The wait before the second round; it doubles with each round.'),
      max: duration(0).prefault('4s').describe('The longest wait between two rounds.'),
      budget: z
        .preprocess(fromNumericText, z.number().min(0).max(1))
        .prefault(0.2)
        .describe('The largest share of requests that is retried. A few retries are always allowed.'),
    }).describe('Retries of the same targets. Other targets and fallbacks are tried first, without a wait.'),
    breaker: section({
      failures: integer(1).prefault(5).describe('Consecutive failures that open it.'),
      error_rate: z
        .preprocess(fromNumericText, z.number().gt(0).max(1))
        .prefault(0.5)
        .describe('Share of failures within 30 s that opens it.'),
      min_requests: integer(1).prefault(20).describe('Requests within 30 s before the share counts.'),
      open: duration(1)
        .prefault('30s')
        .describe('How long it stays open before it admits a request as a probe.'),
    }).describe('The circuit breaker of each target. While it is open, the target gets no requests.'),
    cool_down: section({
      default: duration(0).prefault('2s').describe('The duration when the target sends no `retry-after`.'),
      max: duration(0)
        .prefault('5m')
        .describe('The longest cooldown, whatever the target asks for. 0 disables cooldowns.'),
    }).describe(
      'The cooldown of a target that rejects for its rate limit. Other targets get the requests, if there are any.',
    ),
    health: section({
      interval: nullable(duration(1))
        .prefault('10s')
        .describe('The interval of health checks; null disables them.'),
      timeout: duration(1).prefault('3s').describe('The timeout of one check.'),
      failures: integer(1).prefault(3).describe('Consecutive failed checks before an engine is unhealthy.'),
      successes: integer(1).prefault(2).describe('Consecutive successful checks before it is healthy again.'),
      load_interval: duration(1)
        .prefault('2s')
        .describe('The interval at which engines report their load, for `engine-load`.'),
    }).describe('Health checks of self-hosted engines, in addition to the outcomes of requests.'),
    admission: section({
      max_concurrency: concurrency().describe(
        'Concurrent requests to a target without its own `max_concurrency`: a number; `adaptive`, which follows the latency of the target; null for no limit.',
      ),
      max_queued: integer(1, 100_000)
        .prefault(1_000)
        .describe(
          'Requests that may wait for one target. Beyond that, requests of low priority are rejected first, then those of the tenant with the most waiting.',
        ),
    }).describe(
      'The admission queue of a target at its concurrency limit. Requests wait up to `limits.queue_timeout`, fairly between tenants.',
    ),
    outliers: section({
      max_ejected: z
        .preprocess(fromNumericText, z.number().min(0).max(1))
        .prefault(0.34)
        .describe("The largest share of a model's targets that is ejected at the same time; 0 for none."),
      min_requests: integer(1)
        .prefault(20)
        .describe(
          'Requests within 30 s before a target is compared. At least three such targets are needed.',
        ),
      eject: duration(1).prefault('30s').describe('How long an outlier is ejected.'),
    }).describe(
      'Ejects targets that fail far more often than the other targets of their model, but not often enough to open their circuit breaker.',
    ),
    slow_start: duration(0)
      .prefault('30s')
      .describe('How long a recovered target gets less than its share of the requests.'),
  });
