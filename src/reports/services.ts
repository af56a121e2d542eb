import type { ReportBuilder } from './report-builder.ts';
import type { ReportDeliveryOptions } from './report-delivery.ts';
import type { ReportDocument } from './report-document.ts';
import type { ReportPeriodName } from './report-period.ts';
import type { ReportRun } from './report-run.ts';
import type { ReportStore } from './report-store.ts';
import type { ReportSchedules } from './schedules.ts';

/** Everything that makes reports. */
export interface Reports {
  readonly builder: ReportBuilder;
  readonly schedules: ReportSchedules;
  readonly reports: ReportStore;
  readonly run: ReportRun;
  readonly delivery: ReportDeliveryOptions;
  /**
   * Makes a report without storing it.
   * @param tenant null for all tenants
   * @param at Unix milliseconds in the period; undefined for the last complete one
   */
  preview(tenant: string | null, period: ReportPeriodName, at: number | undefined): Promise<ReportDocument>;
}
