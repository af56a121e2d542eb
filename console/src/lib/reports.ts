import { pathOf } from './api.ts';

export const PERIODS = [
  { value: 'daily', label: 'Every day' },
  { value: 'weekly', label: 'Every week' },
  { value: 'monthly', label: 'Every month' },
] as const;
export type Period = (typeof PERIODS)[number]['value'];

/** Objects of the API of reports, as `/openapi.json` describes them. Money is US dollars, as exact decimals. */
export interface Schedule {
  readonly id: string;
  readonly name: string;
  readonly period: Period;
  readonly recipients: readonly string[];
  readonly files: boolean;
  readonly enabled: boolean;
  readonly next_at: string;
}

export interface ReportSummary {
  readonly id: string;
  readonly name: string;
  /** `2026-11-21`, `2026-W47` or `2026-11`. */
  readonly label: string;
  readonly cost: string;
  readonly previous_cost: string;
  readonly hints: number;
  readonly created_at: string;
  readonly mailed: readonly string[];
}

interface Sums {
  readonly requests: number;
  readonly failures: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost: string;
}

export interface ReportRow extends Sums {
  readonly id: string;
  readonly name: string | null;
  readonly previous_cost: string;
}

export interface ReportHint {
  readonly kind: string;
  readonly subject: string;
  readonly text: string;
  /** Null where it is not known. */
  readonly saves: string | null;
  readonly evidence: Readonly<Record<string, string | number | null>>;
}

export interface ReportDocument {
  readonly label: string;
  readonly from: string;
  readonly to: string;
  readonly time_zone: string;
  readonly totals: Sums & { readonly cache_saved: string };
  readonly previous: Sums;
  readonly groups: readonly {
    readonly by: string;
    readonly rows: readonly ReportRow[];
    readonly more: number;
  }[];
  readonly changes: readonly {
    readonly by: string;
    readonly id: string;
    readonly name: string | null;
    readonly cost: string;
    readonly previous_cost: string;
    readonly change: string;
  }[];
  readonly forecast: {
    readonly month: string;
    readonly used: string;
    readonly expected: string;
    readonly low: string | null;
    readonly high: string | null;
  } | null;
  readonly hints: readonly ReportHint[];
}

/** @returns where reports of a tenant, or of all tenants, are read */
export function reportRoot(tenant: string | undefined): string {
  return tenant === undefined ? '/admin/v1' : pathOf('/admin/v1/tenants', tenant);
}

/** @returns how a group is shown: by its name, or else by its id */
export const shownName = ({ id, name }: { readonly id: string; readonly name: string | null }): string =>
  name ?? (id === '' ? 'none' : id);
