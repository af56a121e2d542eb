import { z } from 'zod';
import { LIMIT_MODES, LIMIT_SCOPES } from '../core/limit.ts';
import { WRITE_AREAS } from '../storage/write-health.ts';
import { count, error, event, text } from './contract.ts';

/** Why a plugin ended: it did not load, its process ended, it used too much memory, did not respond, or broke the protocol. */
const PLUGIN_ENDS = ['load', 'exited', 'memory', 'unresponsive', 'protocol'] as const;
/** The kinds of credentials that clients present. */
const CREDENTIALS = ['key', 'token', 'session', 'password', 'invitation', 'identity'] as const;

/**
 * Events of this process. Names are `noun.verb_in_the_past`. Payloads hold no secret and no content of a request.
 * docs/events.md lists them (`npm run docs`).
 */
export const PROCESS_CONTRACTS = {
  'config.reloaded': event('A changed configuration is active.', {
    file: text,
    restart_keys: z.array(text).describe('changed keys that take effect only after a restart'),
    warnings: z.array(text),
  }),
  'config.rejected': event('A changed configuration is not valid; the last one stays active.', { error }),
  'config.overlay_rejected': event(
    'Providers and models that the admin API changed do not fit the configuration file, which is used alone.',
    { error },
  ),
  'secrets.rotated': event(
    'Secrets that the configuration refers to have other values, which are in use now.',
    {
      references: z.array(text).describe('where they are kept, such as `vault://secret/weir#openai`'),
      restart_keys: z.array(text).describe('keys whose new value is used only after a restart'),
    },
  ),
  'secrets.unreadable': event(
    'Secrets that the configuration refers to cannot be read any more; their last values stay in use. Emitted once for each run of failures.',
    { references: z.array(text), error },
  ),
  'secrets.readable': event('Secrets that could not be read can be read again.', {
    references: z.array(text),
  }),
  'job.failed': event('A background job failed. Emitted once for each run of failures.', {
    job: text,
    impact: text.describe('the state of the gateway until the job succeeds'),
    error,
  }),
  'queued_job.failed': event('A job of the durable queue failed for good. It is set aside.', {
    kind: text,
    job: text.describe('its id'),
    tenant: text,
    error,
  }),
  'tenant_events.delivery_failed': event('Events of a tenant could not be published; they are retried.', {
    tenant: text,
    error,
  }),
  'events.appended': event('Durable events were committed. Wakes their consumers.', {}),
  'events.delivery_failed': event(
    'A consumer of durable events failed; its events are retried. Emitted once for each run of failures.',
    { consumer: text, error },
  ),
  'events.dead_lettered': event('A consumer failed at one event too often. The event is set aside.', {
    consumer: text,
    event: text.describe('its id'),
    error,
  }),
  'events.consumer_lagging': event(
    'A consumer of durable events is behind, so that they are kept longer than configured. At most once a minute.',
    { consumer: text, events: count.describe('that it has not received'), oldest_ms: count.describe('age') },
  ),
  'events.expired': event(
    'Durable events were deleted before a consumer received them: it was behind for too long.',
    { consumer: text, count },
  ),
  'events.record_failed': event('Durable events of this process could not be stored; they are retried.', {
    waiting: count,
    error,
  }),
  'events.dropped': event(
    'Durable events of this process are lost: they could not be stored, and memory holds as many as it may. At most once a minute.',
    { count: count.describe('since the last one') },
  ),
  'http.handler_failed': event('A request got 500 because of a defect of the gateway.', {
    request_id: text,
    error,
  }),
  'http.server_failed': event('The HTTP server could not handle a request.', { error }),
  'http.limit_reached': event(
    'A limit of the HTTP servers ended connections or requests. Emitted at most once a minute for each limit.',
    { limit: text.describe('a key of `limits`'), count: count.describe('since the last event') },
  ),
  'database.unreachable': event('The start waits for a database server. Emitted after each failed attempt.', {
    error,
    retry_ms: z.number().nonnegative().describe('until the next attempt'),
    left_ms: z.number().nonnegative().describe('until the start gives up'),
  }),
  'database.connection_lost': event('The database server closed an idle connection.', { error }),
  'database.row_unreadable': event('A stored tenant, key or member cannot be read; it is ignored.', {
    error,
  }),
  'responses.dropped': event('Stored responses (`store: true`) could not be written and are lost.', {
    count,
    error,
  }),
  'request_log.dropped': event('Requests of tenants with a request log could not be written and are lost.', {
    count,
    error,
  }),
  'storage.write_failed': event(
    'The local disk rejects writes. Emitted at the first failure, then at most once a minute.',
    { area: z.enum(WRITE_AREAS), failures: count.describe('since the last one'), error },
  ),
  'storage.write_restored': event('The local disk accepts writes again.', {
    area: z.enum(WRITE_AREAS),
  }),
  'usage.recovered': event('Requests that were in flight in a killed gateway left usage events.', { count }),
  'usage.lost': event(
    'Usage was lost: disk and database reject writes, and memory holds as much as it may. At most once a second.',
    { count },
  ),
  'data.deleted': event('Data was deleted because its retention has passed.', {
    kind: z.enum(['usage', 'audit', 'responses', 'request_log']),
    count: count.describe('events and sums of usage, entries, responses, logged requests'),
  }),
  'tracing.spans_lost': event('Spans of traces were lost. At most once a minute.', {
    count: count.describe('since the last one'),
    reason: z.enum(['queue_full', 'rejected', 'unreachable']),
    error: error.optional(),
  }),
  'metrics.points_lost': event(
    'A collector did not get values of metrics; the next export contains them. At most once a minute.',
    {
      count: count.describe('since the last one'),
      reason: z.enum(['busy', 'rejected', 'unreachable']),
      error: error.optional(),
    },
  ),
  'audit.anchored': event('The head of an audit trail has changed since the last report.', {
    tenant: text.nullable().describe('null for the trail of the platform'),
    sequence: count.describe('number of entries since the beginning'),
    hash: text.describe('SHA-256 of the last entry and of the hash before'),
  }),
  'audit.lost': event('Entries of audit trails were lost. At most once a minute.', {
    count: count.describe('since the last one'),
    reason: z.enum(['queue_full', 'write_failed']).describe('of the last one'),
  }),
  'usage.line_skipped': event('A line of the usage journal is damaged and is skipped.', {
    file: text,
    line: text.describe('its first 100 characters'),
  }),
  'usage.store_failed': event(
    'Usage cannot be written to the database; it stays on the local disk and is retried. Emitted once for each outage.',
    { tenants: count, error },
  ),
  'usage.archived': event('Usage events were moved from the database into files.', {
    ...{ tenant: text, files: count, count },
  }),
  'export.sent': event('A receiver of an export acknowledged records.', {
    ...{ export: text, type: text, tenant: text, count },
    lag: count.describe('milliseconds since the newest of them'),
  }),
  'export.dropped': event('A receiver of an export never accepts some records; they are left out.', {
    ...{ export: text, type: text, tenant: text, count },
    record: text.describe('id of the first one'),
    reason: text,
  }),
  'export.failed': event('A receiver of an export did not take a batch, which is sent again.', {
    ...{ export: text, type: text, tenant: text },
    failures: count.describe('since the last success'),
    lag: count.describe('milliseconds since the oldest record of the batch'),
    error: text,
  }),
  'usage.dropped': event('Usage of a deleted tenant was dropped.', { tenant: text, count, error }),
  'usage.count_failed': event('The tokenizer failed; an estimate by length is used instead.', { error }),
  'auth.failed': event(
    'A client presented a wrong credential, or one that was not checked after too many wrong ones.',
    {
      credential: z.enum(CREDENTIALS),
      throttled: z.boolean().describe('the client got 429 instead of 401'),
    },
  ),
  'auth.throttled': event(
    'A client address has sent so many wrong credentials that further ones get 429. Emitted once for each series.',
    { address: text.describe('IPv4 address or IPv6 network'), credential: z.enum(CREDENTIALS) },
  ),
  'limit.hit': event('A request reached a limit. It is refused only by limits with `mode: enforce`.', {
    scope: z.enum(LIMIT_SCOPES),
    mode: z.enum(LIMIT_MODES),
    refused: z.boolean(),
  }),
  'change_channel.lost': event(
    'The subscription to changes by other gateways ended. Until it is restored, they are read twice a second.',
    { error },
  ),
  'change_channel.restored': event('Changes by other gateways arrive at once again.', {}),
  'change_channel.publish_failed': event(
    'A change could not be published to the other gateways, which read it within half a second.',
    { error },
  ),
  'limit_store.connection_failed': event('One connection attempt to the rate-limit store failed.', { error }),
  'limit_store.lost': event('The shared rate-limit store is unreachable.', { error }),
  'limit_store.restored': event('The shared rate-limit store is reachable again.', {}),
  'limit_store.reservations_expired': event('Reservations of a crashed gateway were released.', { count }),
  'cache.connection_failed': event('One connection attempt to the cache in Redis failed.', { error }),
  'cache.store_lost': event('The cache in Redis is unreachable; requests go on without it.', { error }),
  'cache.stats_failed': event('Counts of the cache could not be read from Redis or added there.', { error }),
  'cache.embedder_missing': event(
    'The built-in embedder is not installed or is damaged; requests go on without the semantic cache.',
    { error },
  ),
  'cache.vector_store_unusable': event(
    'The vector store of the semantic cache cannot be used; requests go on without the semantic cache.',
    { error },
  ),
  'cache.semantic_disabled': event(
    'Too many hits of the semantic cache were false. It serves none to this tenant from this model until the pause ends or its entries are cleared.',
    {
      tenant: text,
      model: text,
      share: z.number().describe('share of false hits, from 0 to 1'),
      samples: count.describe('compared hits'),
      until: z.number().describe('Unix milliseconds'),
    },
  ),
  'cache.store_restored': event('The cache in Redis is reachable again.', {}),
  'provider.health_changed': event('Health checks changed their verdict on a provider.', {
    provider: text,
    healthy: z.boolean(),
  }),
  'provider.models_discovered': event('A provider listed its models.', { provider: text, models: count }),
  'provider.discovery_failed': event('A provider did not list its models.', { provider: text, error }),
  'target.ejected': event('A target fails far more often than the other targets of its model.', {
    model: text,
    provider: text,
    upstream_model: text,
  }),
  'region.lost': event(
    'The health checks of another region fail. Its tenants fail over where they allow it.',
    {
      region: text,
      reason: text,
    },
  ),
  'region.restored': event('The health checks of another region succeed again.', { region: text }),
  'canary.rolled_back': event('A canary gets no more requests, because it did worse than the stable side.', {
    model: text,
    canary: text,
    reason: text,
  }),
  'plugin.started': event('A plugin is loaded, at the start or again after it ended.', {
    plugin: text,
    kinds: z.array(text),
  }),
  'plugin.ended': event('A plugin did not load, or its process ended. It is started again after a pause.', {
    plugin: text,
    reason: z.enum(PLUGIN_ENDS),
    detail: text,
    restart_ms: z.number().nonnegative().describe('until the next start'),
  }),
  'plugin.disabled': event('A plugin ended too often. It is not called until the configuration changes.', {
    plugin: text,
    reason: z.enum(PLUGIN_ENDS),
    detail: text,
  }),
  'plugin.skipped': event(
    'Calls of a plugin failed one after the other; further ones are skipped for a while.',
    {
      plugin: text,
      detail: text,
    },
  ),
  'plugin.output': event('A plugin wrote a line.', {
    plugin: text,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    line: text,
  }),
  'engine.orphans_stopped': event('Engines that an earlier gateway left running were stopped.', { count }),
  'engine.loaded': event('An engine became ready.', { engine: text, load_ms: z.number().nonnegative() }),
  'engine.stopping': event('An engine is being stopped.', { engine: text, reason: text }),
  'engine.failed': event('An engine did not start, exited or had to be stopped.', {
    engine: text,
    reason: text,
    output: z.array(text).describe('its last lines of output'),
  }),
  'engine.output': event('An engine wrote a line.', { engine: text, line: text }),
};
