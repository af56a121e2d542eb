import { z } from 'zod';
import { PLATFORM_TERMS } from '../../billing/billing-accounts.ts';
import { costDocument } from '../../billing/infrastructure-costs.ts';
import { monthText } from '../../billing/month.ts';
import { DEFAULT_LIST } from '../../billing/price-lists.ts';
import type { Billing } from '../../billing/services.ts';
import { assertAllowed } from '../../tenancy/actor.ts';
import { validate } from '../validation.ts';
import {
  accountBody,
  accountObject,
  newPriceList,
  previewObject,
  priceListObject,
  priceLists,
  renderAccount,
  renderPriceList,
} from './billing-objects.ts';
import { time } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';

const costObject = z
  .object({
    id: z.string(),
    month: z.string().describe('In UTC.'),
    ...costDocument.shape,
    created_at: z.string(),
    created_by: z.string(),
    is_final: z.boolean().describe('Invoices contain parts of it, which do not change any more.'),
    allocation: z.object({
      amount: z.string().describe('US dollars.'),
      shares: z
        .array(z.object({ tenant: z.string(), account: z.string(), weight: z.string(), amount: z.string() }))
        .describe('They add up to the amount, by largest remainder.'),
    }),
  })
  .meta({ id: 'InfrastructureCost' });
const costList = z
  .object({ object: z.literal('list'), data: z.array(costObject) })
  .meta({ id: 'InfrastructureCosts' });
const newCost = z.strictObject({ month: monthText.describe('In UTC.'), ...costDocument.shape }).meta({
  id: 'NewInfrastructureCost',
  example: {
    ...{ month: '2026-11', kind: 'gpu', description: 'Four A10G', gpu: 'A10G', count: 4, hours: '720' },
    ...{ share_by: 'tokens', models: ['qwen'], charge: true },
  },
});

/** Routes of price lists, billing accounts, previews and infrastructure costs. */
export function billingRoutes({ accounts, priceLists: lists, months, costs }: Billing): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/billing/prices',
      permission: 'tenants:list',
      summary: 'List the versions of the default price list',
      ...NO_INPUT,
      response: priceLists,
      handle: async () => ({
        body: { object: 'list', data: (await lists.versions(DEFAULT_LIST)).map(renderPriceList) },
      }),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/prices',
      permission: 'invoices:write',
      summary: 'Add a version of the default price list',
      description: 'Versions are never changed. Closed months keep the versions that they were closed with.',
      body: newPriceList,
      ...NO_QUERY,
      response: priceListObject,
      status: 201,
      handle: async ({ body: { valid_from, ...document }, by }) => {
        const added = await lists.add(DEFAULT_LIST, valid_from, document, 'price_list:default', by);
        return { body: renderPriceList(added) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/billing/prices',
      permission: 'billing:read',
      summary: "List the versions of a tenant's own price list",
      ...NO_INPUT,
      response: priceLists,
      handle: async ({ scope }) => {
        const { account } = await accounts.get(scope.tenant);
        return { body: { object: 'list', data: (await lists.versions(account)).map(renderPriceList) } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/billing/prices',
      permission: 'invoices:write',
      summary: "Add a version of a tenant's own price list",
      description: 'Its rules come before those of the default list, whose other members it replaces.',
      body: newPriceList,
      ...NO_QUERY,
      response: priceListObject,
      status: 201,
      handle: async ({ scope, body: { valid_from, ...document }, by }) => {
        const { account } = await accounts.get(scope.tenant);
        const added = await lists.add(account, valid_from, document, `tenant:${scope.tenant}`, by);
        return { body: renderPriceList(added) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/billing/account',
      permission: 'billing:read',
      summary: 'Get the billing details of a tenant',
      ...NO_INPUT,
      response: accountObject,
      handle: async ({ scope }) => {
        const account = await accounts.get(scope.tenant);
        return { body: renderAccount(account), version: account.version };
      },
    }),
    adminRoute({
      method: 'PUT',
      path: '/admin/v1/tenants/:tenant/billing/account',
      permission: 'billing:write',
      summary: 'Set the billing details of a tenant',
      description: `Changes of ${PLATFORM_TERMS.map((name) => `\`${name}\``).join(', ')} need \`invoices:write\`, which only platform administrators have. Invoices that are issued keep the details of their issue.`,
      body: accountBody,
      ...NO_QUERY,
      response: accountObject,
      handle: async ({ scope, body, seen, by, actor }) => {
        const { document } = await accounts.get(scope.tenant);
        const before = new Map<string, unknown>(Object.entries(document));
        const after = new Map<string, unknown>(Object.entries(body));
        const isChanged = (name: string) =>
          JSON.stringify(before.get(name) ?? null) !== JSON.stringify(after.get(name) ?? null);
        if (PLATFORM_TERMS.some(isChanged)) assertAllowed(actor, 'invoices:write', scope.tenant);
        const account = await accounts.put(scope.tenant, body, seen, by);
        return { body: renderAccount(account), version: account.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/billing/preview',
      permission: 'billing:read',
      summary: 'Calculate the invoice of a month as of now',
      description: 'Nothing is stored. With `user`, only the usage of this member.',
      ...NO_BODY,
      query: z.object({
        month: monthText.describe("In the tenant's time zone. May be running."),
        user: z.string().min(1).max(200).optional(),
      }),
      response: previewObject,
      handle: async ({ scope, query: { month, user } }) => {
        const { document } = await months.calculate(scope.tenant, month, user);
        return { body: { object: 'invoice_preview', tenant: scope.tenant, document } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/billing/costs',
      permission: 'tenants:list',
      summary: 'List infrastructure costs of a month, divided among tenants',
      ...NO_BODY,
      query: z.object({ month: monthText.describe('In UTC.') }),
      response: costList,
      handle: async ({ query: { month } }) => {
        const final = new Set(
          (await costs.list(month)).filter(({ allocation }) => allocation).map(({ id }) => id),
        );
        const data = (await costs.allocations(month)).map(
          ({ id, document, createdAt, createdBy, allocation }) => ({
            ...{ id, month, ...document, created_at: time(createdAt), created_by: createdBy },
            ...{ is_final: final.has(id), allocation },
          }),
        );
        return { body: { object: 'list', data } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/costs',
      permission: 'invoices:write',
      summary: 'Add an infrastructure cost',
      body: newCost,
      ...NO_QUERY,
      response: costObject.omit({ allocation: true, is_final: true }).meta({ id: 'AddedInfrastructureCost' }),
      status: 201,
      handle: async ({ body: { month, ...rest }, by }) => {
        const { id, document, createdAt, createdBy } = await costs.add(
          month,
          validate(costDocument, rest),
          by,
        );
        return {
          body: { id, month, ...document, created_at: time(createdAt), created_by: createdBy },
        };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/billing/costs/:cost',
      permission: 'invoices:write',
      summary: 'Remove an infrastructure cost that no invoice contains',
      ...NO_INPUT,
      status: 204,
      handle: async ({ params, by }) => {
        await costs.remove(params.cost ?? '', by);
        return {};
      },
    }),
  ];
}
