import { z } from 'zod';
import { LIMIT_SCOPES } from '../core/limit.ts';
import { count, durable, text, time } from './contract.ts';
import { WORK_CONTRACTS } from './work-events.ts';

const AT = Date.UTC(2026, 10, 1, 12);

/** A quota or budget: a limit of a day or month. */
const limitFields = {
  scope: z.enum(LIMIT_SCOPES),
  id: text.describe('of the key, member, tag, model or tenant that the limit belongs to'),
  of: z.enum(['requests', 'tokens', 'cost']).describe('cost is in US dollars'),
  per: z.enum(['day', 'month']),
  period: text.describe('`2026-11-21` or `2026-11`, in the time zone of the limit'),
  used: z.number().nonnegative().describe('so far in the period'),
  max: z.number().nonnegative(),
};
const subjectOfLimit = ({ scope, id, of, per }: { scope: string; id: string; of: string; per: string }) =>
  `limit:${scope}:${id}:${of}:${per}`;
const exampleLimit: z.infer<z.ZodObject<typeof limitFields>> = {
  ...{ scope: 'key', id: 'key_5d1f', of: 'cost', per: 'month' },
  ...{ period: '2026-11', used: 80.25, max: 100 },
};

const targetFields = {
  model: text,
  provider: text,
  upstream_model: text.describe("the provider's name of the model"),
};
const subjectOfTarget = (data: { provider: string; upstream_model: string }) =>
  `target:${data.provider}/${data.upstream_model}`;
const exampleTarget = { model: 'fast', provider: 'east', upstream_model: 'small-1' };

/**
 * Events that are stored and delivered at least once. Names are `noun.verb_in_the_past`. Data holds no secret and no
 * content of a request. docs/events.md lists them (`npm run docs`).
 */
export const DURABLE_CONTRACTS = {
  'tenant.created': durable(
    'A tenant was created.',
    { tenant: text, name: text, tier: text.nullable() },
    ({ tenant }) => `tenant:${tenant}`,
    { tenant: 'acme', name: 'Acme Corp.', tier: null },
  ),
  'tenant.updated': durable(
    'Name, status, tier or settings of a tenant changed.',
    {
      tenant: text,
      name: text,
      status: text,
      tier: text.nullable(),
      changed: z.array(text).describe('names of fields'),
    },
    ({ tenant }) => `tenant:${tenant}`,
    { tenant: 'acme', name: 'Acme Corp.', status: 'suspended', tier: null, changed: ['status'] },
  ),
  'tenant.deleted': durable(
    'A tenant was deleted, with its data.',
    { tenant: text, name: text },
    ({ tenant }) => `tenant:${tenant}`,
    { tenant: 'acme', name: 'Acme Corp.' },
  ),
  'member.added': durable(
    'A user or service account became a member.',
    { member: text, kind: text, role: text },
    ({ member }) => `member:${member}`,
    { member: 'mem_77a1', kind: 'user', role: 'developer' },
  ),
  'member.updated': durable(
    'Role, status, name or limits of a member changed.',
    { member: text, role: text, status: text },
    ({ member }) => `member:${member}`,
    { member: 'mem_77a1', role: 'admin', status: 'active' },
  ),
  'member.removed': durable(
    'A member was removed; its API keys are revoked.',
    { member: text },
    ({ member }) => `member:${member}`,
    { member: 'mem_77a1' },
  ),
  'invitation.created': durable(
    'A person was invited.',
    { invitation: text, email: text, role: text },
    ({ invitation }) => `invitation:${invitation}`,
    { invitation: 'inv_09c2', email: 'ana@example.com', role: 'developer' },
  ),
  'invitation.revoked': durable(
    'An invitation was withdrawn.',
    { invitation: text },
    ({ invitation }) => `invitation:${invitation}`,
    { invitation: 'inv_09c2' },
  ),
  'invitation.accepted': durable(
    'An invited person became a member.',
    { invitation: text, member: text },
    ({ invitation }) => `invitation:${invitation}`,
    { invitation: 'inv_09c2', member: 'mem_77a1' },
  ),
  'api_key.created': durable(
    'An API key was created.',
    { key: text, name: text, kind: z.enum(['api_key', 'admin']), member: text.nullable() },
    ({ key }) => `key:${key}`,
    { key: 'key_5d1f', name: 'batch jobs', kind: 'api_key', member: null },
  ),
  'api_key.updated': durable(
    'Name, scopes, limits, expiry or pause of an API key changed.',
    { key: text, name: text },
    ({ key }) => `key:${key}`,
    { key: 'key_5d1f', name: 'batch jobs' },
  ),
  'api_key.rotated': durable(
    'An API key got a new secret.',
    {
      key: text,
      name: text,
      old_secret_expires_at: time.nullable().describe('Unix milliseconds; null: at once'),
    },
    ({ key }) => `key:${key}`,
    { key: 'key_5d1f', name: 'batch jobs', old_secret_expires_at: AT },
  ),
  'api_key.revoked': durable(
    'An API key was revoked.',
    { key: text, name: text },
    ({ key }) => `key:${key}`,
    { key: 'key_5d1f', name: 'batch jobs' },
  ),
  'budget.threshold_reached': durable(
    'The cost of a period reached a share of a budget. Once for each share and period.',
    { ...limitFields, percent: z.int().describe('50, 80 or 90') },
    subjectOfLimit,
    { ...exampleLimit, percent: 80, used: 80.25 },
  ),
  'budget.exceeded': durable('A budget is used up. Once for each period.', limitFields, subjectOfLimit, {
    ...exampleLimit,
    used: 100.5,
  }),
  'budget.reset': durable(
    'A new period of a budget began, after one in which it reached a threshold.',
    limitFields,
    subjectOfLimit,
    { ...exampleLimit, period: '2026-12', used: 0 },
  ),
  'quota.threshold_reached': durable(
    'The requests or tokens of a period reached a share of a quota. Once for each share and period.',
    { ...limitFields, percent: z.int().describe('50, 80 or 90') },
    subjectOfLimit,
    { ...exampleLimit, of: 'tokens', max: 1_000_000, percent: 90, used: 900_400 },
  ),
  'quota.exceeded': durable('A quota is used up. Once for each period.', limitFields, subjectOfLimit, {
    ...exampleLimit,
    of: 'tokens',
    max: 1_000_000,
    used: 1_000_010,
  }),
  'quota.reset': durable(
    'A new period of a quota began, after one in which it reached a threshold.',
    limitFields,
    subjectOfLimit,
    { ...exampleLimit, of: 'tokens', period: '2026-12', max: 1_000_000, used: 0 },
  ),
  'request.failed': durable(
    'Requests failed for a reason that is not their own: status 500 or higher. One event for each model and status in a batch of usage (about a second).',
    {
      model: text,
      provider: text,
      status: z.int(),
      count: count.describe('failed requests'),
      request_ids: z.array(text).describe('of at most 5 of them'),
    },
    ({ model }) => `model:${model}`,
    { model: 'fast', provider: 'east', status: 502, count: 2, request_ids: ['req_1', 'req_2'] },
  ),
  'request.slow': durable(
    'Requests took longer than a minute. One event for each model in a batch of usage (about a second).',
    {
      model: text,
      provider: text,
      duration_ms: count.describe('of the slowest one'),
      count: count.describe('slow requests'),
      request_ids: z.array(text).describe('of at most 5 of them'),
    },
    ({ model }) => `model:${model}`,
    { model: 'fast', provider: 'east', duration_ms: 65_000, count: 1, request_ids: ['req_1'] },
  ),
  'request.unusual': durable(
    'Use differs from the same hour of previous weeks.',
    {
      metric: z.enum(['requests', 'tokens', 'cost', 'errors']),
      key: text.nullable().describe('null for the whole tenant'),
      value: z.number(),
      expected: z.number(),
      hour: time,
    },
    ({ metric, key }) => `usage:${key ?? ''}:${metric}`,
    { metric: 'tokens', key: 'key_5d1f', value: 910_000, expected: 120_000, hour: AT },
  ),
  'target.unhealthy': durable(
    'Health checks failed; a target gets no requests.',
    { provider: text },
    ({ provider }) => `provider:${provider}`,
    { provider: 'east' },
  ),
  'target.recovered': durable(
    'Health checks succeed again.',
    { provider: text },
    ({ provider }) => `provider:${provider}`,
    { provider: 'east' },
  ),
  'target.ejected': durable(
    'A target fails far more often than the other targets of its model. It gets no requests for a while.',
    targetFields,
    subjectOfTarget,
    exampleTarget,
  ),
  'canary.rolled_back': durable(
    'A canary gets no more requests, because it did worse than the stable side.',
    { model: text, canary: text, reason: text },
    ({ model }) => `canary:${model}`,
    { model: 'fast', canary: 'small-2', reason: 'error rate 7 % against 1 %' },
  ),
  'cache.disabled': durable(
    'Too many hits of the semantic cache were false. It serves none until the pause ends or its entries are cleared.',
    {
      model: text,
      share: z.number().describe('share of false hits, from 0 to 1'),
      samples: count,
      until: time,
    },
    ({ model }) => `cache:${model}`,
    { model: 'fast', share: 0.12, samples: 50, until: AT },
  ),
  'guardrail.blocked': durable(
    'Guardrails blocked requests or responses. One event for each model in a batch of usage (about a second).',
    {
      model: text,
      count: count.describe('blocked requests'),
      request_ids: z.array(text).describe('of at most 5 of them'),
    },
    ({ model }) => `guardrails:${model}`,
    { model: 'fast', count: 3, request_ids: ['req_1', 'req_2', 'req_3'] },
  ),
  'audit.anchored': durable(
    'The head of an audit trail has changed. Kept elsewhere, it proves later that no entry was changed.',
    { sequence: count.describe('number of entries since the beginning'), hash: text },
    () => 'audit',
    { sequence: 1_204, hash: 'a3f1'.repeat(16) },
  ),
  'audit.lost': durable('Entries of audit trails were lost.', { count: count, reason: text }, () => 'audit', {
    count: 4,
    reason: 'queue_full',
  }),
  ...WORK_CONTRACTS,
  'config.changed': durable(
    'A changed configuration is active on a gateway.',
    {
      file: text,
      restart_keys: z.array(text).describe('changed keys that take effect only after a restart'),
    },
    () => 'config',
    { file: 'weir.yaml', restart_keys: [] },
  ),
  'config.rejected': durable(
    'A changed configuration is not valid; the last one stays active.',
    { reason: text },
    () => 'config',
    { reason: 'models.fast.targets: must not be empty' },
  ),
  'storage.failed': durable(
    'The local disk of a gateway rejects writes.',
    { area: text, reason: text },
    ({ area }) => `storage:${area}`,
    { area: 'database', reason: 'no space left on device' },
  ),
  'storage.recovered': durable(
    'The local disk of a gateway accepts writes again.',
    { area: text },
    ({ area }) => `storage:${area}`,
    { area: 'database' },
  ),
  'usage.lost': durable('Usage could not be stored and is lost.', { count }, () => 'usage', { count: 12 }),
  'engine.failed': durable(
    'An engine did not start, exited or had to be stopped.',
    { engine: text, reason: text },
    ({ engine }) => `engine:${engine}`,
    { engine: 'gpu-0', reason: 'exited with code 1' },
  ),
  'plugin.disabled': durable(
    'A plugin ended too often. It is not called until the configuration changes.',
    { plugin: text, reason: text },
    ({ plugin }) => `plugin:${plugin}`,
    { plugin: 'tagger', reason: 'memory' },
  ),
};
