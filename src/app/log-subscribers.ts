import type { EventBus } from '../events/event-bus.ts';
import type { Logger } from '../observability/log.ts';

/** Writes a log line for each event that an operator should see. Finished requests are logged by the recorder. */
export function subscribeLog(events: EventBus, logger: Logger): void {
  events.subscribe('log', {
    'config.reloaded': ({ file, restart_keys: keys, warnings }) => {
      for (const warning of warnings) logger.warn(warning);
      if (keys.length > 0) logger.warn({ keys }, 'these keys take effect after a restart');
      logger.info({ file }, 'configuration reloaded');
    },
    'config.rejected': ({ error }) =>
      logger.error(`The configuration was not reloaded; the last one stays active. ${messageOf(error)}`),

    'secrets.rotated': ({ references, restart_keys: keys }) => {
      if (keys.length > 0) logger.warn({ keys }, 'secrets of these keys are used after a restart');
      logger.info({ references }, 'changed secrets of the configuration are in use');
    },
    'secrets.unreadable': ({ references, error }) =>
      logger.warn(
        { references, reason: messageOf(error) },
        'secrets of the configuration cannot be read; their last values stay in use',
      ),
    'secrets.readable': ({ references }) =>
      logger.info({ references }, 'secrets of the configuration can be read again'),

    'job.failed': ({ job, impact, error }) => logger.error({ job, err: error }, `${job} failed: ${impact}`),
    'http.handler_failed': ({ request_id, error }) =>
      logger.error({ request_id, err: error }, 'request handler failed: defect in the gateway'),
    'http.server_failed': ({ error }) =>
      logger.error({ err: error }, 'HTTP server could not handle a request'),

    'http.limit_reached': ({ limit, count }) =>
      logger.warn(
        { limit: `limits.${limit}`, count },
        'HTTP server reached a limit: it ended connections or requests',
      ),

    'database.unreachable': ({ error, retry_ms, left_ms }) =>
      logger.warn(
        `${messageOf(error)} Trying again in ${seconds(retry_ms)}; the start gives up in ${seconds(left_ms)} (storage.connect_timeout).`,
      ),
    'database.connection_lost': ({ error }) =>
      logger.error({ err: error }, 'database server closed an idle connection'),
    'database.row_unreadable': ({ error }) =>
      logger.error({ err: error }, 'stored tenant, key or member is unreadable and is ignored'),
    'tenant_events.delivery_failed': ({ tenant, error }) =>
      logger.error({ tenant, err: error }, 'tenant events could not be published; they stay stored'),
    'events.delivery_failed': ({ consumer, error }) =>
      logger.error({ consumer, err: error }, 'consumer of durable events failed; its events are retried'),
    'events.dead_lettered': ({ consumer, event, error }) =>
      logger.error({ consumer, event, err: error }, 'consumer failed at an event too often; it is set aside'),
    'events.consumer_lagging': ({ consumer, events: count, oldest_ms }) =>
      logger.warn({ consumer, events: count, oldest_ms }, 'consumer of durable events is behind'),
    'events.expired': (expired) =>
      logger.error(expired, 'durable events were deleted before a consumer received them'),
    'events.record_failed': ({ waiting, error }) =>
      logger.error({ waiting, err: error }, 'durable events could not be stored; they wait in memory'),
    'events.dropped': ({ count }) => logger.error({ count }, 'durable events are lost: too many wait'),
    'request_log.dropped': ({ count, error }) =>
      logger.error({ count, err: error }, 'logged requests could not be stored'),
    'responses.dropped': ({ count, error }) =>
      logger.error({ count, err: error }, 'responses could not be stored'),

    'auth.throttled': (client) =>
      logger.warn(client, 'client address sent too many wrong credentials; further ones get 429'),

    'storage.write_failed': ({ area, failures, error }) =>
      logger.error({ area, failures, reason: messageOf(error) }, WRITE_FAILED[area]),
    'storage.write_restored': ({ area }) => logger.info({ area }, 'local disk accepts writes again'),
    'tracing.spans_lost': ({ count, reason, error }) =>
      logger.warn({ count, reason, err: error }, 'spans of traces were lost; requests are not affected'),
    'metrics.points_lost': ({ count, reason, error }) =>
      logger.warn(
        { count, reason, err: error },
        'collector did not get values of metrics; the next export contains them',
      ),
    'audit.anchored': (head) => logger.info(head, 'head of an audit trail'),
    'audit.lost': (lost) => logger.error(lost, 'entries of audit trails were lost'),
    'data.deleted': (deleted) => logger.debug(deleted, 'deleted data whose retention has passed'),
    'usage.recovered': ({ count }) =>
      logger.warn(
        { events: count },
        'an earlier gateway was killed; requests in flight are recorded as lost',
      ),
    'usage.lost': ({ count }) =>
      logger.error({ count }, 'usage was lost: neither disk nor database accepts writes, and memory is full'),
    'usage.line_skipped': (skipped) =>
      logger.error(skipped, 'line of the usage journal is damaged and is skipped'),
    'usage.store_failed': ({ tenants, error }) =>
      logger.error(
        { tenants, err: error },
        'usage cannot be written to the database; it stays on the local disk and is retried',
      ),
    'usage.archived': (archived) => logger.info(archived, 'archived usage events'),
    'export.dropped': (dropped) =>
      logger.error(dropped, 'receiver of an export never accepts records; left out'),
    'export.failed': (failed) => logger.warn(failed, 'export failed; it is repeated'),
    'usage.dropped': ({ tenant, count, error }) =>
      logger.error({ tenant, count, err: error }, 'usage of a deleted tenant was dropped'),
    'usage.count_failed': ({ error }) =>
      logger.error({ err: error }, 'token count failed; usage is estimated by length'),

    'queued_job.failed': ({ kind, job, tenant, error }) =>
      logger.error({ kind, job, tenant, err: error }, 'queued job failed for good; it is set aside'),

    'change_channel.lost': ({ error }) =>
      logger.warn(
        { err: error },
        'Redis subscription lost: changes by other gateways are read twice a second',
      ),
    'change_channel.restored': () =>
      logger.info('Redis subscription restored: changes by other gateways arrive at once'),
    'change_channel.publish_failed': ({ error }) =>
      logger.debug({ err: error }, 'a change was not published; other gateways read it within half a second'),
    'limit_store.connection_failed': ({ error }) => logger.debug({ err: error }, 'Redis connection failed'),
    'limit_store.lost': ({ error }) =>
      logger.error({ err: error }, 'Redis unreachable; each limit follows its on_store_loss'),
    'limit_store.restored': () => logger.info('Redis reachable again; limits are shared again'),
    'limit_store.reservations_expired': ({ count }) =>
      logger.warn(
        { reservations: count },
        'released the concurrency slots of a crashed gateway; its reservations of quotas and budgets stay used',
      ),

    'cache.connection_failed': ({ error }) => logger.debug({ err: error }, 'Redis connection failed'),
    'cache.store_lost': ({ error }) =>
      logger.warn({ err: error }, 'cache in Redis unreachable or too slow; requests go on without it'),
    'cache.stats_failed': ({ error }) =>
      logger.debug({ err: error }, 'counts of the cache not shared with other gateways'),
    'cache.embedder_missing': ({ error }) =>
      logger.warn({ err: error }, 'semantic cache is off: run `weir models pull embedder` and restart'),
    'cache.vector_store_unusable': ({ error }) =>
      logger.warn({ err: error }, 'semantic cache is off: its vector store cannot be used'),
    'cache.semantic_disabled': ({ tenant, model, share, samples, until }) =>
      logger.warn(
        { tenant, model, share, samples, until: new Date(until).toISOString() },
        'semantic cache serves nothing: too many false hits',
      ),
    'cache.store_restored': () => logger.info('cache in Redis reachable again'),

    'provider.health_changed': ({ provider, healthy }) => {
      if (healthy) logger.info({ provider }, 'provider passes its health checks again');
      else logger.warn({ provider }, 'provider fails its health checks; it gets no requests');
    },
    'provider.models_discovered': (found) => logger.debug(found, 'models discovered'),
    'provider.discovery_failed': ({ provider, error }) =>
      logger.warn(
        { provider, reason: messageOf(error) },
        'provider did not list its models; requests that name it still work',
      ),
    'region.lost': ({ region, reason }) =>
      logger.error({ region, reason }, 'region is unavailable; its tenants fail over where they allow it'),
    'region.restored': ({ region }) => logger.warn({ region }, 'region is available again'),
    'target.ejected': (target) =>
      logger.warn(target, 'target ejected for a while: it fails far more often than others of its model'),
    'canary.rolled_back': (canary) => logger.error(canary, 'canary rolled back'),

    'plugin.started': (plugin) => logger.info(plugin, 'plugin started'),
    'plugin.ended': (plugin) => logger.error(plugin, 'plugin ended; it is started again'),
    'plugin.disabled': (plugin) =>
      logger.error(plugin, 'plugin disabled: it ended too often; requests go on by its "fail"'),
    'plugin.skipped': (plugin) => logger.error(plugin, 'calls of a plugin fail; further ones are skipped'),
    'plugin.output': ({ plugin, level, line }) => logger[level]({ plugin }, line),

    'engine.orphans_stopped': ({ count }) =>
      logger.warn({ count }, 'stopped engines that an earlier gateway left running'),
    'engine.loaded': (loaded) => logger.info(loaded, 'engine loaded'),
    'engine.stopping': (stopping) => logger.info(stopping, 'engine stopping'),
    'engine.failed': (failed) => logger.error(failed, 'engine failed'),
    'engine.output': ({ engine, line }) => logger.debug({ engine }, line),
  });
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

const WRITE_FAILED = {
  database: 'database cannot be written; administration is not possible, inference goes on',
  usage_journal:
    'usage cannot be written to the local disk; it stays in memory, and is lost if this process ends',
  engine_ledger: 'running engines cannot be recorded; a crash of this process would leave them running',
} as const;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
