import { z } from 'zod';
import type { OverlaidSection } from '../../config/overlay.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ConfigItemChange, ConfigItemDocument } from '../../tenancy/config-items.ts';
import type { ConfigOperations } from './config-operations.ts';
import { HIDDEN, hidden, kept, plain } from './config-secrets.ts';
import { cursorOf, listOf, page, paging, time } from './paging.ts';
import {
  type AdminCall,
  type AdminResult,
  adminRoute,
  NO_BODY,
  NO_INPUT,
  NO_QUERY,
  type RegisteredRoute,
} from './route.ts';
import type { AdminServices } from './services.ts';

const SOURCES = ['file', 'environment', 'admin', 'built-in'] as const;

const itemId = z.string().regex(/^[^\s/][^\s]{0,199}$/, 'must be an id without spaces');
const document = z
  .looseObject({})
  .describe(
    `As in the configuration file (docs/configuration.md). Secrets are returned as \`${HIDDEN}\`; a member with this value keeps what is stored.`,
  );

const itemObject = z
  .object({
    id: z.string(),
    source: z
      .enum(SOURCES)
      .describe(
        'Where it comes from: the configuration file, the environment or this machine, the admin API, or built in.',
      ),
    replaces_file: z
      .boolean()
      .describe('The admin API changed an item of the file, which is used again after a reset.'),
    removed: z.boolean().describe('The admin API leaves an item of the file out.'),
    kind: z.string().optional().describe('Of providers.'),
    base_url: z.string().nullable().optional().describe('Of providers: the address in use.'),
    document: document.nullable().describe('Null for items of the environment and built-in ones.'),
    version: z.int().describe('Of the item of the admin API; 0 without one.'),
    updated_at: z.string().nullable(),
    updated_by: z.string().nullable(),
  })
  .meta({ id: 'ConfigItem' });
type Item = z.output<typeof itemObject>;

const changeObject = z
  .object({
    id: z.string(),
    revision: z.int(),
    at: z.string(),
    actor: z.string(),
    actor_name: z.string(),
    section: z.string(),
    item: z.string(),
    before: document.nullable().describe('Null where the file’s item was used, or none.'),
    after: document.nullable().describe('Null where the file’s item is used, or none.'),
  })
  .meta({ id: 'ConfigChange' });

const testObject = z
  .object({
    ok: z.boolean(),
    models: z.array(z.string()).describe('Names of models that it lists, at most 500.'),
    model_count: z.int(),
    error: z.object({ code: z.string(), message: z.string() }).nullable().describe('What it responded.'),
    duration_ms: z.number(),
  })
  .meta({ id: 'ProviderTest' });

const configObject = z
  .object({
    file: z.string().nullable(),
    overlay_rejected: z
      .string()
      .nullable()
      .describe(
        'Why the items of the admin API are not used: they do not fit the file; null while they are.',
      ),
    config: z
      .looseObject({})
      .describe('The active configuration with all defaults, in milliseconds and bytes, without secrets.'),
    sources: z
      .record(
        z.string(),
        z.object({
          from: z.enum(['file', 'environment', 'admin']),
          line: z.int().nullable().describe('In the file, from 1.'),
          variables: z
            .array(z.string())
            .describe('Environment variables that set it, or that the file names in it.'),
        }),
      )
      .describe('Where values come from, by path such as `models[0].id`. All others are defaults.'),
  })
  .meta({ id: 'ActiveConfig' });

const dryRun = z.object({
  dry_run: z
    .enum(['true', 'false'])
    .default('false')
    .describe('Checks the change, returns what would be, and stores nothing.'),
});

const revisionCursor = z.object({ revision: z.int() });
const MAX_TESTED = 500;

/** Providers and models, and the history of their changes. */
export function configRoutes({ config, auditQueue }: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/config',
      permission: 'platform:read',
      summary: 'Get the active configuration, without secrets',
      ...NO_INPUT,
      response: configObject,
      handle: async () => ({
        body: {
          ...{ file: config.file(), overlay_rejected: config.rejected() ?? null },
          config: hidden(plain(config.config())),
          sources: Object.fromEntries(config.sources()),
        },
      }),
    }),
    ...itemRoutes(config, 'providers', 'provider'),
    ...itemRoutes(config, 'models', 'model'),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/providers/test',
      permission: 'platform:write',
      summary: 'Ask a provider for its models, before it is stored',
      body: z.strictObject({ provider: document }).meta({
        id: 'ProviderTestRequest',
        example: { provider: { id: 'openai', kind: 'openai', api_key: 'sk-...' } },
      }),
      ...NO_QUERY,
      response: testObject,
      handle: async ({ body, by }) => {
        const id = itemId.safeParse(body.provider.id);
        if (!id.success) throw invalid('provider.id', 'must be an id without spaces');
        const stored = (await config.get('providers', id.data))?.document;
        const candidate = keptFor(body.provider, stored ?? fileItem(config, 'providers', id.data));
        // It sends a key that may be stored to an address that may be new.
        const { base_url: url } = candidate;
        await auditQueue.record(undefined, by, 'provider.test', `provider:${id.data}`, { base_url: url });
        const { models, error, durationMs } = await config.test(
          config.preview('providers', id.data, candidate),
          id.data,
        );
        return {
          body: {
            ...{ ok: error === undefined, models: models.slice(0, MAX_TESTED), model_count: models.length },
            ...{ error: error ?? null, duration_ms: durationMs },
          },
        };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/config/changes',
      permission: 'platform:read',
      summary: 'List changes of providers and models, newest first',
      ...NO_BODY,
      query: z.object(paging),
      response: listOf(changeObject, 'ConfigChangeList'),
      handle: async ({ query: { limit, after } }) => {
        const found = await config.changes(limit + 1, cursorOf(revisionCursor, after)?.revision);
        return { body: page([...found], limit, ({ revision }) => ({ revision }), renderChange) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/config/changes/:change/revert',
      permission: 'platform:write',
      summary: 'Take a change back: the item becomes what it was before',
      description: 'With `if-match` and the etag of the item, 412 when it has changed since.',
      ...NO_INPUT,
      response: itemObject,
      handle: async ({ params, seen, by }) => {
        const { section, item, before } = await config.getChange(params.change ?? '');
        if (section !== 'providers' && section !== 'models')
          throw new GatewayError('not_found', 'There is no such section.');
        const shown = findItem(config, section, item);
        await config.change(section, item, before, seen, by);
        const now = findItem(config, section, item) ?? (shown && removed(shown));
        return { body: now ?? renderItem(config, section, item) };
      },
    }),
  ];
}

function itemRoutes(config: ConfigOperations, section: OverlaidSection, word: string): RegisteredRoute[] {
  const base = `/admin/v1/${section}`;
  const path = `${base}/:id`;
  const answer = async (id: string): Promise<AdminResult> => ({
    body: renderItem(config, section, id),
    version: (await config.get(section, id))?.version ?? 0,
  });
  const write = async (
    { query, seen, by }: Pick<AdminCall<unknown, z.output<typeof dryRun>>, 'query' | 'seen' | 'by'>,
    id: string,
    document: ConfigItemDocument | null | undefined,
  ): Promise<AdminResult> => {
    if (query.dry_run === 'true') {
      const next = config.preview(section, id, document);
      const found = (next[section] ?? []).find((one) => one.id === id);
      return { body: { valid: true, document: found ? hidden(plain(found)) : null } };
    }
    await config.change(section, id, document, seen, by);
    return answer(id);
  };
  return [
    adminRoute({
      method: 'GET',
      path: base,
      permission: 'platform:read',
      summary: `List ${section} with their source`,
      ...NO_INPUT,
      response: listOf(itemObject, section === 'providers' ? 'ProviderList' : 'ModelConfigList'),
      handle: async () => ({
        body: {
          object: 'list',
          data: idsOf(config, section).map((id) => renderItem(config, section, id)),
          ...{ has_more: false, next: null },
        },
      }),
    }),
    adminRoute({
      method: 'GET',
      path,
      permission: 'platform:read',
      summary: `Get a ${word}`,
      ...NO_INPUT,
      response: itemObject,
      handle: async ({ params: { id = '' } }) => answer(id),
    }),
    adminRoute({
      method: 'PUT',
      path,
      permission: 'platform:write',
      summary: `Add or replace a ${word}`,
      description: `Written to the control database as an overlay of the configuration file, and active on every gateway within seconds. With \`if-match\`, 412 when it has changed since.`,
      body: document.meta({
        id: section === 'providers' ? 'ProviderDocument' : 'ModelDocument',
        example:
          section === 'providers'
            ? { kind: 'openai', api_key: 'sk-...' }
            : { targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] },
      }),
      query: dryRun,
      response: itemObject,
      handle: async ({ params: { id = '' }, body, ...call }) => {
        if (!itemId.safeParse(id).success) throw invalid('id', 'must be an id without spaces');
        if (body.id !== undefined && body.id !== id) throw invalid('id', `must be "${id}", as in the path`);
        const stored = (await config.get(section, id))?.document ?? fileItem(config, section, id);
        return write(call, id, { ...keptFor(body, stored), id });
      },
    }),
    adminRoute({
      method: 'DELETE',
      path,
      permission: 'platform:write',
      summary: `Remove a ${word}, also one of the configuration file`,
      ...NO_BODY,
      query: dryRun,
      handle: async ({ params: { id = '' }, ...call }) => {
        const shown = renderItem(config, section, id);
        if (shown.source === 'environment' || shown.source === 'built-in') {
          throw new GatewayError(
            'invalid_request',
            `This ${word} comes from the environment or is built in: it cannot be removed here.`,
          );
        }
        if (fileItem(config, section, id) || call.query.dry_run === 'true') {
          return write(call, id, fileItem(config, section, id) ? null : undefined);
        }
        await config.change(section, id, undefined, call.seen, call.by);
        return { body: findItem(config, section, id) ?? removed(shown) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${path}/reset`,
      permission: 'platform:write',
      summary: `Use the ${word} of the configuration file again`,
      ...NO_BODY,
      query: dryRun,
      handle: async ({ params: { id = '' }, ...call }) => {
        if (!fileItem(config, section, id)) {
          throw new GatewayError(
            'not_found',
            `The configuration file has no ${word} "${id}". DELETE removes it.`,
          );
        }
        return write(call, id, undefined);
      },
    }),
  ];
}

/**
 * A document with the secrets that are stored, where it keeps them.
 * @throws GatewayError `invalid_request` where a secret that is kept would go to another address
 */
function keptFor(
  given: ConfigItemDocument,
  stored: ConfigItemDocument | null | undefined,
): ConfigItemDocument {
  const document = kept(given, stored);
  const keeps = JSON.stringify(document) !== JSON.stringify(given);
  if (keeps && (given.base_url ?? null) !== (stored?.base_url ?? null)) {
    throw invalid('api_key', 'must be given again: a stored secret does not go to another address');
  }
  return document;
}

function fileItem(
  config: ConfigOperations,
  section: OverlaidSection,
  id: string,
): ConfigItemDocument | undefined {
  const found = (config.base()[section] ?? []).find((one) => one.id === id);
  return found && plain(found);
}

function idsOf(config: ConfigOperations, section: OverlaidSection): string[] {
  const ids = new Set<string>();
  if (section === 'providers') for (const { id } of config.providers()) ids.add(id);
  for (const { id } of config.config()[section] ?? []) ids.add(id);
  for (const item of config.items()) if (item.section === section) ids.add(item.id);
  return [...ids].sort();
}

/** @throws GatewayError `not_found` */
function renderItem(config: ConfigOperations, section: OverlaidSection, id: string): Item {
  const found = findItem(config, section, id);
  if (found) return found;
  throw new GatewayError('not_found', `There is no such item in "${section}".`);
}

/** An item that existed before a change, and no longer does. */
function removed(item: Item): Item {
  return { ...item, removed: true, document: null, version: 0 };
}

function findItem(config: ConfigOperations, section: OverlaidSection, id: string): Item | undefined {
  const item = config.items().find((one) => one.section === section && one.id === id);
  const inFile = fileItem(config, section, id);
  const provider = section === 'providers' ? config.providers().find((one) => one.id === id) : undefined;
  const active = (config.config()[section] ?? []).find((one) => one.id === id);
  if (!item && !inFile && !provider && !active) return undefined;
  const shown = item?.document ?? inFile;
  const isBuiltIn = provider?.isBuiltIn ?? false;
  return {
    id,
    source: item?.document ? 'admin' : inFile ? 'file' : isBuiltIn ? 'built-in' : 'environment',
    ...{ replaces_file: Boolean(item?.document && inFile), removed: item?.document === null },
    ...(section === 'providers'
      ? { kind: provider?.kind ?? String(shown?.kind ?? ''), base_url: provider?.baseUrl ?? null }
      : {}),
    document: shown ? hidden(shown) : null,
    ...{ version: item?.version ?? 0, updated_by: item?.updatedBy ?? null },
    updated_at: item ? time(item.updatedAt) : null,
  };
}

function renderChange(change: ConfigItemChange): z.output<typeof changeObject> {
  const shown = (one: ConfigItemDocument | null | undefined) => (one ? hidden(one) : null);
  return {
    ...{ id: change.id, revision: change.revision, at: time(change.at), section: change.section },
    ...{ actor: change.actor, actor_name: change.actorName, item: change.item },
    ...{ before: shown(change.before), after: shown(change.after) },
  };
}

function invalid(param: string, why: string): GatewayError {
  return new GatewayError('invalid_request', `"${param}" ${why}.`, { param });
}
