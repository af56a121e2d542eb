/** Objects of the billing API, as `/openapi.json` describes them. Amounts are decimals. */
export interface Invoice {
  readonly id: string;
  readonly kind: 'invoice' | 'credit_note';
  readonly tenant: string;
  readonly month: string;
  readonly status: 'draft' | 'open' | 'paid' | 'void';
  readonly number: string | null;
  /** Of a credit note: the id of its invoice. */
  readonly credits: string | null;
  readonly currency: string;
  readonly total: string;
  readonly due_date: string | null;
  readonly issued_at: string | null;
  readonly sent_at: string | null;
  readonly note: string | null;
}

export interface InvoiceLine {
  readonly number: number;
  readonly type: string;
  readonly description: string;
  readonly late_for: string | null;
  readonly key: { readonly id: string; readonly name: string | null } | null;
  readonly user: { readonly id: string; readonly name: string | null } | null;
  readonly amount: string;
  readonly amount_exact: string;
}

export interface InvoiceDocument {
  readonly currency: string;
  readonly customer: { readonly name: string; readonly email: string | null };
  readonly lines: readonly InvoiceLine[];
  readonly subtotal: string;
  readonly taxes: readonly {
    readonly name: string;
    readonly rate: string;
    readonly base: string;
    readonly amount: string;
  }[];
  readonly total: string;
  readonly rounding: { readonly subtotal_exact: string; readonly difference: string };
  readonly notes: readonly string[];
}

/** The billing details of a tenant. */
export interface BillingAccount {
  readonly tenant: string;
  readonly name?: string;
  readonly address?: readonly string[];
  readonly email?: string;
  readonly vat_id?: string;
  readonly reference?: string;
  readonly lines: readonly string[];
  readonly external_id?: string;
  readonly reverse_charge?: boolean;
  readonly due_days?: number;
  readonly taxes?: Readonly<Record<string, readonly { readonly name: string; readonly rate: string }[]>>;
}

/** A cost of the installation, divided among tenants. */
export interface InfrastructureCost {
  readonly id: string;
  readonly month: string;
  readonly kind: string;
  readonly description: string;
  readonly gpu?: string;
  readonly count?: number;
  readonly hours?: string;
  readonly share_by: string;
  readonly models?: readonly string[];
  readonly charge: boolean;
  readonly created_by: string;
  /** Invoices contain parts of it. */
  readonly is_final: boolean;
  readonly allocation: {
    /** US dollars. */
    readonly amount: string;
    readonly shares: readonly {
      readonly tenant: string;
      readonly account: string;
      readonly weight: string;
      readonly amount: string;
    }[];
  };
}

export const MONTH = /^20\d\d-(?:0[1-9]|1[0-2])$/;

export interface PriceRule {
  readonly model: string;
  readonly provider?: string;
  readonly margin?: string;
  readonly prices?: Readonly<Record<string, string | { readonly tiers: readonly unknown[] }>>;
}

export interface PriceList {
  readonly version: number;
  readonly valid_from: string;
  readonly created_by: string;
  readonly currency?: string;
  readonly margin?: string;
  readonly discount?: string;
  readonly free_allowance?: string;
  readonly minimum?: string;
  readonly rules?: readonly PriceRule[];
}

/** The month before the running one, as `2026-11`. */
export function lastMonth(now = new Date()): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1)).toISOString().slice(0, 7);
}

export const thisMonth = (now = new Date()): string => now.toISOString().slice(0, 7);

/** `gpt-4o: input 3.00, output 12.00`. */
export function ruleText({ model, provider, margin, prices }: PriceRule): string {
  const where = provider === undefined ? model : `${model} at ${provider}`;
  if (margin !== undefined) return `${where}: cost ${Number(margin) < 0 ? '' : '+'}${margin} %`;
  const units = Object.entries(prices ?? {}).map(
    ([unit, price]) =>
      `${unit.replace('_', ' ')} ${typeof price === 'string' ? price : `in ${price.tiers.length} tiers`}`,
  );
  return `${where}: ${units.join(', ')}`;
}
