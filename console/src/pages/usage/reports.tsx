import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { money, number } from '../../lib/format.ts';
import { type ListPage, usePaged } from '../../lib/paged.ts';
import { PERIODS, type ReportSummary, reportRoot, type Schedule } from '../../lib/reports.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { ReportDrawer } from './report-drawer.tsx';
import { ScheduleDialog } from './schedule-dialog.tsx';

const REPORTS: readonly Column<ReportSummary>[] = [
  { id: 'label', header: 'Period', cell: ({ label }) => label, width: '8rem' },
  { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(12rem, 2fr)' },
  { id: 'cost', header: 'Cost', isNumber: true, cell: ({ cost }) => money(cost) },
  { id: 'before', header: 'Before', isNumber: true, cell: ({ previous_cost: cost }) => money(cost) },
  { id: 'hints', header: 'Hints', isNumber: true, cell: ({ hints }) => number(hints) },
  {
    ...{ id: 'mailed', header: 'Mailed to', width: 'minmax(10rem, 2fr)' },
    cell: ({ mailed }) => mailed.join(', ') || '–',
  },
  { id: 'created', header: 'Made', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '8rem' },
];

const SCHEDULES: readonly Column<Schedule>[] = [
  { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(12rem, 2fr)' },
  {
    ...{ id: 'period', header: 'Period', width: '12rem' },
    cell: ({ period }) => PERIODS.find(({ value }) => value === period)?.label,
  },
  {
    ...{ id: 'recipients', header: 'Mailed to', width: 'minmax(12rem, 2fr)' },
    cell: ({ recipients }) => recipients.join(', ') || '–',
  },
  { id: 'files', header: 'Files', cell: ({ files }) => (files ? 'yes' : '–'), width: '5rem' },
  {
    ...{ id: 'next', header: 'Next', width: '9rem' },
    cell: ({ enabled, next_at: at }) => (enabled ? <RelativeTime at={at} /> : <Badge>off</Badge>),
  },
];

const PREVIEWS = [
  { value: '', label: 'Choose a period' },
  { value: 'daily', label: 'Yesterday' },
  { value: 'weekly', label: 'Last week' },
  { value: 'monthly', label: 'Last month' },
];

/** Reports of a tenant, or of all tenants, and their schedules. */
export function Reports({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isCreating, setCreating] = useState(false);
  const root = reportRoot(tenant);
  const reports = usePaged<ReportSummary>(`${root}/reports`);
  const path = `${root}/report-schedules`;
  const schedules = useQuery({
    queryKey: ['list', path],
    queryFn: ({ signal }) => api.get<ListPage<Schedule>>(path, { signal }),
  });
  const mayChange = can(tenant === undefined ? 'platform:write' : 'billing:write', tenant);
  const rows = schedules.data?.data ?? [];
  const opened = rows.find(({ id }) => id === search.schedule);
  const create = mayChange && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Schedule reports
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <p className="text-muted grow">
          Usage and cost of a day, week or month, with the largest changes, a forecast, and what could cost
          less.
        </p>
        <div className="w-40">
          <SelectField
            label="Preview"
            options={PREVIEWS}
            value={search.preview ?? ''}
            onChange={({ target }) => change({ preview: target.value || undefined, report: undefined }, true)}
          />
        </div>
        {rows.length > 0 && create}
      </div>
      <Panel title="Schedules">
        {schedules.error ? (
          <ErrorPanel
            what="The schedules could not be read"
            error={schedules.error}
            retry={() => void schedules.refetch()}
          />
        ) : !schedules.data ? (
          <Skeleton className="h-24" />
        ) : rows.length === 0 ? (
          <Empty
            title="No report is scheduled. A schedule makes one after each period, and sends it by mail."
            action={create}
          />
        ) : (
          <DataTable
            label="Schedules of reports"
            columns={SCHEDULES}
            rows={rows}
            rowKey={({ id }) => id}
            {...(mayChange && { onOpen: ({ id }: Schedule) => change({ schedule: id }, true) })}
          />
        )}
      </Panel>
      {reports.error ? (
        <ErrorPanel what="The reports could not be read" error={reports.error} retry={reports.refetch} />
      ) : reports.isLoading ? (
        <Skeleton className="h-48" />
      ) : reports.rows.length === 0 ? (
        <Empty title="No report was made yet. The first one follows the end of its period." />
      ) : (
        <DataTable
          label="Reports"
          columns={REPORTS}
          rows={reports.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ report: id, preview: undefined }, true)}
          onEnd={reports.more}
          isLoadingMore={reports.isLoadingMore}
        />
      )}
      {isCreating && <ScheduleDialog path={path} schedule={undefined} onClose={() => setCreating(false)} />}
      {opened && mayChange && (
        <ScheduleDialog
          key={opened.id}
          path={path}
          schedule={opened}
          onClose={() => change({ schedule: undefined }, true)}
        />
      )}
      {(search.report !== undefined || search.preview !== undefined) && (
        <ReportDrawer
          root={root}
          report={search.report}
          preview={search.preview}
          onClose={() => change({ report: undefined, preview: undefined, by: undefined }, true)}
        />
      )}
    </div>
  );
}
