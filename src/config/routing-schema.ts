import { z } from 'zod';
import { concurrency, duration, fromNumericText, integer, nullable, section } from './fields.ts';

/** How failures are dealt with, and what happens when there is not room enough. */
export const routing = () =>
  section({
    retry: section({
      attempts: integer(1, 20)
        .prefault(3)
        .describe(
          'Attempts of one request in all, after each target has had one. 1: no second try of a target.',
        ),
      base: duration(0)
        .prefault('1s')
        .describe('How long to wait before the second round; twice as long each time.'),
      max: duration(0).prefault('4s').describe('The longest wait between two rounds.'),
      budget: z
        .preprocess(fromNumericText, z.number().min(0).max(1))
        .prefault(0.2)
        .describe('Share of the requests that may be repeated, beside a few that always may.'),
    }).describe('Second tries of the same target. Other targets and fallbacks are tried first, at once.'),
    breaker: section({
      failures: integer(1).prefault(5).describe('Failures in a row that open it.'),
      error_rate: z
        .preprocess(fromNumericText, z.number().gt(0).max(1))
        .prefault(0.5)
        .describe('Share of failures within half a minute that opens it.'),
      min_requests: integer(1).prefault(20).describe('Requests within that time before the share counts.'),
      open: duration(1)
        .prefault('30s')
        .describe('How long it stays open before a request is let through as a probe.'),
    }).describe('The circuit breaker of each target: it keeps requests from one that fails.'),
    cool_down: section({
      default: duration(0).prefault('2s').describe('Where it does not say for how long.'),
      max: duration(0).prefault('5m').describe('The longest, whatever it says. 0 for never.'),
    }).describe('How long a target that is over its limit is left alone, as long as there are others.'),
    health: section({
      interval: nullable(duration(1))
        .prefault('10s')
        .describe('How often engines are asked whether they are well; null for never.'),
      timeout: duration(1).prefault('3s').describe('How long they may take to answer.'),
      failures: integer(1).prefault(3).describe('Checks in a row that fail before an engine counts as dead.'),
      successes: integer(1).prefault(2).describe('Checks in a row that succeed before it is used again.'),
      load_interval: duration(1)
        .prefault('2s')
        .describe('How often engines are asked for their load, where `engine-load` is used.'),
    }).describe('Checks of self-hosted engines, beside what their answers to requests tell.'),
    admission: section({
      max_concurrency: concurrency().describe(
        'Requests that a target may have at the same time, where the target does not say: a number; `adaptive`, found from how its answers get slower; null for any number.',
      ),
      max_queued: integer(1, 100_000)
        .prefault(1_000)
        .describe(
          'Requests that may wait for one target. Beyond, those of low priority give way, then those of the tenant with the most.',
        ),
    }).describe(
      'What happens when a target has as many requests as it may have: others wait, up to `limits.queue_timeout`, fairly between tenants.',
    ),
    outliers: section({
      max_ejected: z
        .preprocess(fromNumericText, z.number().min(0).max(1))
        .prefault(0.34)
        .describe("Share of a model's targets that may be left alone at the same time; 0 for none."),
      min_requests: integer(1)
        .prefault(20)
        .describe(
          'Requests of the last half minute before a target is compared; it takes three such targets.',
        ),
      eject: duration(1).prefault('30s').describe('How long an outlier is left alone.'),
    }).describe(
      'Targets that fail far more often than the others of their model, though not so often that their breaker opens.',
    ),
    slow_start: duration(0)
      .prefault('30s')
      .describe('How long a target that has come back gets less than its share of the requests.'),
  });
