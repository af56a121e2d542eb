/** The tables of reports, in the control database. Times are Unix milliseconds, documents JSON texts. */
export interface ReportTables {
  report_schedules: ReportScheduleRow;
  reports: ReportRow;
}

export interface ReportScheduleRow {
  id: string;
  /** Empty for the installation. */
  tenant: string;
  document: string;
  enabled: number;
  /** When the period ends whose report is made next. */
  next_end: number;
  version: number;
  created_by: string;
  created_at: number;
  updated_at: number;
}

export interface ReportRow {
  id: string;
  /** Unique with `from_at`: each schedule has one report for each period. */
  schedule: string;
  tenant: string;
  name: string;
  period: string;
  from_at: number;
  to_at: number;
  document: string;
  /** JSON: addresses that it was sent to. */
  mailed: string;
  created_at: number;
}
