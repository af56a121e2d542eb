import { z } from 'zod';
import {
  MAX_PROMPT_CHARACTERS,
  type Prompt,
  type PromptContent,
  type PromptSummary,
  type PromptVersion,
} from '../../tenancy/prompts.ts';
import { cursorOf, idCursor, listOf, page, paging, time, wholeNumber } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const MAX_MESSAGES = 500;
const MAX_TOOLS = 128;

const name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(100, 'has at most 100 characters')
  .regex(/^\P{C}+$/u, 'must not have control characters')
  .describe('Unique in the tenant, in any case.');
const object = z.record(z.string(), z.unknown());
const message = z
  .looseObject({ role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']) })
  .describe('A message as `POST /v1/chat/completions` takes it.');

const contentFields = {
  model: z.string().min(1).max(400).nullable().describe('The model that it was made for.'),
  messages: z.array(message).min(1).max(MAX_MESSAGES),
  parameters: object.describe('Further members of the request, such as `temperature`.'),
  tools: z.array(object).max(MAX_TOOLS).nullable().describe('As in the request.'),
  schema: object.nullable().describe('JSON schema of the response.'),
};

const summaryFields = {
  id: z.string(),
  name: z.string(),
  model: z.string().nullable(),
  latest: z.int().describe('Number of the latest version, from 1.'),
  created_by: z.string(),
  created_by_name: z.string(),
  created_at: z.string(),
  saved_by: z.string().describe('Who saved the latest version.'),
  saved_by_name: z.string(),
  updated_at: z.string(),
};
const summaryObject = z.object(summaryFields).meta({ id: 'SavedPromptSummary' });

const versionFields = {
  number: z.int(),
  model: z.string().nullable(),
  saved_by: z.string(),
  saved_by_name: z.string(),
  saved_at: z.string(),
};
const versionObject = z.object(versionFields).meta({ id: 'SavedPromptVersion' });

const promptObject = z
  .object({
    ...summaryFields,
    shown: versionObject.describe('The version that this response shows.'),
    readable: z
      .boolean()
      .describe('False where the content was sealed with another secret than that of this installation.'),
    ...contentFields,
    messages: z.array(message),
  })
  .meta({ id: 'SavedPrompt' });

const createBody = z
  .strictObject({
    name,
    model: contentFields.model.default(null),
    messages: contentFields.messages,
    parameters: contentFields.parameters.default({}),
    tools: contentFields.tools.default(null),
    schema: contentFields.schema.default(null),
  })
  .meta({
    id: 'NewSavedPrompt',
    example: {
      ...{ name: 'Refund reply', model: 'chat', parameters: { temperature: 0.2 } },
      messages: [{ role: 'user', content: 'Where is my refund?' }],
    },
  });
const changeBody = z
  .strictObject({
    name: name.optional(),
    model: contentFields.model.optional(),
    messages: contentFields.messages.optional(),
    parameters: contentFields.parameters.optional(),
    tools: contentFields.tools.optional(),
    schema: contentFields.schema.optional(),
  })
  .meta({ id: 'SavedPromptChange', example: { name: 'Refund reply, short' } });

const NO_CONTENT: PromptContent = { model: null, messages: [], parameters: {}, tools: null, schema: null };

function renderSummary(prompt: PromptSummary): z.output<typeof summaryObject> {
  return {
    ...{ id: prompt.id, name: prompt.name, model: prompt.model, latest: prompt.latest },
    ...{ created_by: prompt.createdBy, created_by_name: prompt.createdByName },
    ...{ created_at: time(prompt.createdAt), updated_at: time(prompt.updatedAt) },
    ...{ saved_by: prompt.savedBy, saved_by_name: prompt.savedByName },
  };
}

function renderVersion(version: PromptVersion): z.output<typeof versionObject> {
  return {
    ...{ number: version.number, model: version.model, saved_at: time(version.savedAt) },
    ...{ saved_by: version.savedBy, saved_by_name: version.savedByName },
  };
}

function render(prompt: Prompt) {
  const body = {
    ...renderSummary(prompt),
    shown: renderVersion(prompt.shown),
    readable: prompt.content !== undefined,
    ...(prompt.content ?? NO_CONTENT),
  };
  return { body, version: prompt.version };
}

/** Prompts that people save in the playground and share with their tenant. */
export function promptRoutes({ prompts }: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/prompts',
      permission: 'inference:use',
      summary: 'List saved prompts by name',
      ...NO_BODY,
      query: z.object({
        ...paging,
        name: z.string().min(1).max(100).optional().describe('A part of the name, in any case.'),
      }),
      response: listOf(summaryObject, 'SavedPromptList'),
      handle: async ({ scope, query: { limit, after, name: part } }) => {
        const cursor = cursorOf(idCursor, after);
        const found = await prompts.list(scope, {
          limit: limit + 1,
          ...(cursor === undefined ? {} : { after: cursor }),
          ...(part === undefined ? {} : { name: part }),
        });
        return { body: page(found, limit, ({ name: last }) => last.toLowerCase(), renderSummary) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/prompts',
      permission: 'inference:use',
      summary: 'Save a prompt',
      description: `Members of the tenant who may send requests see it. A tenant has at most 500 of them, each with at most ${MAX_PROMPT_CHARACTERS} characters as JSON, sealed in the database.`,
      body: createBody,
      ...NO_QUERY,
      response: promptObject,
      status: 201,
      handle: async ({ scope, body: { name: wanted, ...content }, by }) =>
        render(await prompts.create(scope, wanted, content, by)),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/prompts/:prompt',
      permission: 'inference:use',
      summary: 'Get a saved prompt',
      ...NO_BODY,
      query: z.object({
        version: wholeNumber(1, 1e9).optional().describe('Number of a kept version. Default: the latest.'),
      }),
      response: promptObject,
      handle: async ({ scope, params, query }) =>
        render(await prompts.get(scope, params.prompt ?? '', query.version)),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/prompts/:prompt/versions',
      permission: 'inference:use',
      summary: 'List the kept versions of a saved prompt, the latest first',
      description: 'The latest 20 are kept.',
      ...NO_INPUT,
      response: z
        .object({ object: z.literal('list'), data: z.array(versionObject) })
        .meta({ id: 'SavedPromptVersionList' }),
      handle: async ({ scope, params }) => ({
        body: {
          object: 'list',
          data: (await prompts.versions(scope, params.prompt ?? '')).map(renderVersion),
        },
      }),
    }),
    adminRoute({
      method: 'PATCH',
      path: '/admin/v1/tenants/:tenant/prompts/:prompt',
      permission: 'inference:use',
      summary: 'Rename a saved prompt, or save a new version of it',
      description:
        'Members that are left out stay as they are. A change of anything but the name is a new version.',
      body: changeBody,
      ...NO_QUERY,
      response: promptObject,
      handle: async ({ scope, params, body: { name: wanted, ...changed }, seen, by }) => {
        const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined));
        const isContent = Object.keys(given).length > 0;
        const updated = await prompts.update(
          scope,
          params.prompt ?? '',
          (latest = NO_CONTENT) => ({
            name: wanted,
            content: isContent ? { ...latest, ...given } : undefined,
          }),
          seen,
          by,
        );
        return render(updated);
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/tenants/:tenant/prompts/:prompt',
      permission: 'inference:use',
      summary: 'Delete a saved prompt with all its versions',
      description: 'Those of others need the permission `tenant:write`.',
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params, seen, by }) => {
        await prompts.delete(scope, params.prompt ?? '', seen, by);
        return {};
      },
    }),
  ];
}
