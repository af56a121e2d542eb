import type { Kysely } from 'kysely';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { matchesAny } from '../core/model-scope.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { SqlUsageStore } from '../storage/sql/usage-store.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { parseDocument } from '../tenancy/documents.ts';
import type { BilledContent } from './billed-usage.ts';
import type { BillingAccount, BillingAccounts } from './billing-accounts.ts';
import { billingChange } from './billing-change.ts';
import { COST_CURRENCY, exchangeRate } from './currency.ts';
import { decimalOf, Exact } from './exact.ts';
import type { OpenLine } from './invoice-totals.ts';
import { divideByWeight } from './largest-remainder.ts';
import { type BillingMonth, monthAfter } from './month.ts';
import { plainLine } from './month-charges.ts';
import { amountText, STANDARD_TAX, taxClass } from './price-list.ts';
import type { BillingSettings } from './settings.ts';

/** Tenants whose usage is read at once. */
const AT_ONCE = 8;
/** Costs are divided into cents. */
const CENT_DIGITS = 2;

export const COST_KINDS = ['gpu', 'storage', 'network', 'training', 'other'] as const;
export const COST_SHARES = ['tokens', 'requests', 'cost', 'time'] as const;

/** A cost of the installation in one month. */
export const costDocument = z
  .strictObject({
    kind: z.enum(COST_KINDS),
    description: z.string().trim().min(1).max(200),
    gpu: z.string().min(1).max(60).optional().describe('With kind `gpu`: a key of `billing.gpu_hours`.'),
    count: z.int().min(1).max(100_000).optional().describe('With kind `gpu`: how many. Default: 1.'),
    hours: amountText.optional().describe('With kind `gpu`: hours of each.'),
    amount: amountText.optional().describe('US dollars, for other kinds.'),
    share_by: z
      .enum(COST_SHARES)
      .default('tokens')
      .describe('What tenants share it by: tokens, requests, cost of providers, or time of attempts.'),
    models: z
      .array(z.string().min(1).max(300))
      .max(100)
      .optional()
      .describe('Only usage of these models counts; `*` at the end stands for anything.'),
    charge: z.boolean().default(false).describe("Each tenant's part becomes a line of its invoice."),
    tax_class: taxClass.default(STANDARD_TAX),
  })
  .refine(
    ({ kind, gpu, hours, amount }) =>
      kind === 'gpu'
        ? gpu !== undefined && hours !== undefined && amount === undefined
        : amount !== undefined && gpu === undefined && hours === undefined,
    'must have `gpu` and `hours` with kind `gpu`, otherwise `amount`',
  );
export type CostDocument = z.output<typeof costDocument>;

const storedAllocation = z.object({
  amount: z.string(),
  shares: z.array(
    z.object({ tenant: z.string(), account: z.string(), weight: z.string(), amount: z.string() }),
  ),
});

/** A cost divided among tenants: the parts add up to the amount. US dollars, as decimals. */
export type CostAllocation = z.output<typeof storedAllocation>;

export interface InfrastructureCost {
  readonly id: string;
  /** `2026-11`, in UTC. */
  readonly month: string;
  readonly document: CostDocument;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Null until an invoice contains a part of it. */
  readonly allocation: CostAllocation | null;
}

export interface InfrastructureCostOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly settings: () => BillingSettings;
  readonly accounts: BillingAccounts;
  readonly usage: SqlUsageStore;
}

/** Costs of the installation, divided among tenants by their usage. */
export class InfrastructureCosts {
  constructor(private readonly options: InfrastructureCostOptions) {}

  async list(month: string): Promise<InfrastructureCost[]> {
    const rows = await this.options.control
      .selectFrom('billing_costs')
      .selectAll()
      .where('month', '=', month)
      .orderBy('id')
      .execute();
    return rows.map((row) => ({
      ...{ id: row.id, month: row.month, createdAt: row.created_at, createdBy: row.created_by },
      document: parseDocument(costDocument, row.document, `the cost ${row.id}`),
      allocation:
        row.allocation === null
          ? null
          : parseDocument(storedAllocation, row.allocation, `the allocation of the cost ${row.id}`),
    }));
  }

  /** @throws GatewayError `invalid_request` for a kind of GPU without a price */
  async add(month: string, document: CostDocument, by: ChangeContext): Promise<InfrastructureCost> {
    const { control, sources } = this.options;
    const amount = this.#amountOf(document);
    const [id, createdAt] = [sources.newId('cost'), sources.clock.wallTime()];
    await billingChange(control, async (transaction) => {
      await transaction
        .insertInto('billing_costs')
        .values({
          ...{ id, month, document: JSON.stringify(document), allocation: null },
          ...{ created_at: createdAt, created_by: by.actor.name },
        })
        .execute();
      const details = { month, amount: decimalOf(amount, CENT_DIGITS), ...document };
      await writeAudit(transaction, auditEntry(sources, by, 'billing_cost.add', `cost:${id}`, details));
    });
    return { id, month, document, createdAt, createdBy: by.actor.name, allocation: null };
  }

  /** @throws GatewayError `not_found`, `conflict` once an invoice contains a part of it */
  async remove(id: string, by: ChangeContext): Promise<void> {
    const { control, sources } = this.options;
    await billingChange(control, async (transaction) => {
      const { numDeletedRows } = await transaction
        .deleteFrom('billing_costs')
        .where('id', '=', id)
        .where('allocation', 'is', null)
        .executeTakeFirstOrThrow();
      if (numDeletedRows !== 1n) {
        const row = await transaction
          .selectFrom('billing_costs')
          .select('id')
          .where('id', '=', id)
          .executeTakeFirst();
        throw row
          ? new GatewayError('conflict', 'Invoices contain this cost. Credit them instead of removing it.')
          : new GatewayError('not_found', 'There is no such cost.');
      }
      await writeAudit(transaction, auditEntry(sources, by, 'billing_cost.remove', `cost:${id}`));
    });
  }

  /** @returns the costs of a month (UTC), each divided among tenants: as invoices contain it, otherwise as of now */
  async allocations(
    month: string,
  ): Promise<(InfrastructureCost & { readonly allocation: CostAllocation })[]> {
    const divided = [];
    for (const cost of await this.list(month)) {
      divided.push({ ...cost, allocation: cost.allocation ?? (await this.#divide(cost)) });
    }
    return divided;
  }

  /**
   * Finds the parts that a tenant has not been charged yet.
   *
   * @param contents what its invoices contain
   * @param isFinal fixes how they are divided
   * @returns lines of an invoice, and the ids of their costs
   * @throws MissingRateError
   */
  async linesOf(
    account: BillingAccount,
    { id: month }: Pick<BillingMonth, 'id'>,
    {
      contents,
      currency,
      isFinal,
    }: { readonly contents: readonly BilledContent[]; readonly currency: string; readonly isFinal: boolean },
  ): Promise<{ lines: OpenLine[]; ids: string[] }> {
    const { control, sources, settings } = this.options;
    const billed = new Set(contents.flatMap(({ costs }) => costs));
    const created = new Date(account.createdAt).toISOString().slice(0, 7);
    const months = await control
      .selectFrom('billing_costs')
      .select('month')
      .distinct()
      .where('month', '<=', month)
      .where('month', '>=', created)
      .orderBy('month')
      .execute();
    const rate = exchangeRate(settings().exchangeRates, COST_CURRENCY, currency);
    const lines: OpenLine[] = [];
    const ids: string[] = [];
    for (const { month: of } of months) {
      // Before its end, shares would change.
      if (Date.parse(`${monthAfter(of)}-01T00:00:00Z`) > sources.clock.wallTime()) continue;
      for (const cost of await this.list(of)) {
        if (!cost.document.charge || billed.has(cost.id)) continue;
        const allocation = cost.allocation ?? (isFinal ? await this.#fix(cost) : await this.#divide(cost));
        ids.push(cost.id);
        const part = allocation.shares.find((one) => one.account === account.account);
        const exact = part ? Exact.parse(part.amount).times(rate) : Exact.ZERO;
        if (!part || exact.isZero) continue;
        const { description, share_by, tax_class } = cost.document;
        const text = `${description}: share by ${share_by} of ${allocation.amount} ${COST_CURRENCY}`;
        lines.push({
          ...plainLine('infrastructure', text, tax_class, exact),
          late_for: of === month ? null : of,
        });
      }
    }
    return { lines, ids };
  }

  /** Stores how a cost is divided; the first one who does it decides. */
  async #fix(cost: InfrastructureCost): Promise<CostAllocation> {
    const { control } = this.options;
    const allocation = await this.#divide(cost);
    await control
      .updateTable('billing_costs')
      .set({ allocation: JSON.stringify(allocation) })
      .where('id', '=', cost.id)
      .where('allocation', 'is', null)
      .execute();
    const stored = (await this.list(cost.month)).find(({ id }) => id === cost.id)?.allocation;
    if (!stored) throw new GatewayError('conflict', 'A cost was removed at the same time. Retry.');
    return stored;
  }

  async #divide({ month, document }: InfrastructureCost): Promise<CostAllocation> {
    const { accounts, usage } = this.options;
    const from = Date.parse(`${month}-01T00:00:00Z`);
    const to = Date.parse(`${monthAfter(month)}-01T00:00:00Z`);
    const waiting = await accounts.tenants();
    const found: { tenant: string; account: string; weight: bigint }[] = [];
    const worker = async () => {
      for (let tenant = waiting.shift(); tenant !== undefined; tenant = waiting.shift()) {
        const { account } = await accounts.get(tenant);
        const groups = await usage.summarise({ tenant }, { from, to, interval: null, groupBy: ['model'] });
        let weight = 0n;
        for (const { by, sums } of groups) {
          if (document.models && !matchesAny(document.models, by.model ?? '')) continue;
          weight += {
            tokens: sums.input_tokens + sums.output_tokens,
            requests: sums.requests,
            cost: sums.cost_pico,
            time: sums.duration_ms,
          }[document.share_by];
        }
        found.push({ tenant, account, weight });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const shares = found.sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
    // Without any usage, no tenant is charged: the cost stays with the installation.
    const used = shares.filter(({ weight }) => weight > 0n);
    const total = this.#amountOf(document);
    const parts = divideByWeight(
      total,
      used.map(({ weight }) => weight),
    );
    return {
      amount: decimalOf(total, CENT_DIGITS),
      shares: used.map(({ tenant, account, weight }, index) => ({
        ...{ tenant, account, weight: String(weight) },
        amount: decimalOf(parts[index] ?? 0n, CENT_DIGITS),
      })),
    };
  }

  /** @returns cents */
  #amountOf({ gpu, count = 1, hours = '0', amount = '0' }: CostDocument): bigint {
    if (gpu === undefined) return Exact.parse(amount).round(CENT_DIGITS);
    const prices = this.options.settings().gpuHours;
    const price = Object.hasOwn(prices, gpu) ? prices[gpu] : undefined;
    if (price === undefined) {
      throw new GatewayError(
        'invalid_request',
        `"gpu" is not valid: there is no price for "${gpu}". Set \`billing.gpu_hours\`, or use one of: ${Object.keys(prices).join(', ')}.`,
        { param: 'gpu' },
      );
    }
    return Exact.parse(price)
      .times(Exact.parse(hours))
      .times(Exact.of(BigInt(count)))
      .round(CENT_DIGITS);
  }
}
