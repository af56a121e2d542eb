import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import { PERIODS, type Period, type Schedule } from '../../lib/reports.ts';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { CheckField, SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';

const FIELDS = ['name', 'period', 'recipients', 'files', 'enabled'];

/** Creates a schedule, or changes or deletes one. */
export function ScheduleDialog({
  path,
  schedule,
  onClose,
}: {
  readonly path: string;
  /** Undefined for a new one. */
  readonly schedule: Schedule | undefined;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const [name, setName] = useState(schedule?.name ?? 'Monthly cost');
  const [period, setPeriod] = useState<Period>(schedule?.period ?? 'monthly');
  const [recipients, setRecipients] = useState(schedule?.recipients.join(', ') ?? '');
  const [files, setFiles] = useState(schedule?.files ?? false);
  const [enabled, setEnabled] = useState(schedule?.enabled ?? true);
  const [isDeleting, setDeleting] = useState(false);
  const form = useForm(async () => {
    const addresses = recipients.split(/[,\s]+/).filter((one) => one !== '');
    const body = { name, period, recipients: addresses, files, enabled };
    if (schedule) await api.patch(pathOf(path, schedule.id), body);
    else await api.post(path, body);
    await client.invalidateQueries({ queryKey: ['list', path] });
    onClose();
  }, FIELDS);
  if (schedule && isDeleting) {
    return (
      <ConfirmDialog
        isOpen
        onClose={() => setDeleting(false)}
        title="Delete the schedule"
        lost={`No further report of "${schedule.name}" is made. Those that were made stay.`}
        action="Delete"
        onConfirm={async () => {
          await api.delete(pathOf(path, schedule.id));
          onClose();
          await client.invalidateQueries({ queryKey: ['list', path] });
        }}
      />
    );
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={schedule ? schedule.name : 'Schedule reports'}
      description="A report is made ten minutes after each period, in the time zone of the tenant."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Name"
          required
          maxLength={100}
          hint="The subject of mails."
          value={name}
          onChange={({ target }) => setName(target.value)}
          error={form.errorOf('name')}
        />
        <SelectField
          label="Period"
          hint="Weeks begin on Monday."
          options={PERIODS}
          value={period}
          onChange={({ target }) =>
            setPeriod(PERIODS.find(({ value }) => value === target.value)?.value ?? 'monthly')
          }
          error={form.errorOf('period')}
        />
        <TextField
          label="Mail to"
          placeholder="finance@example.com"
          hint="Up to ten addresses, separated by commas. Webhooks receive the event report.created."
          value={recipients}
          onChange={({ target }) => setRecipients(target.value)}
          error={form.errorOf('recipients')}
        />
        <CheckField
          label="Write files"
          hint="As CSV and JSON, where the gateway has a folder for reports."
          checked={files}
          onChange={({ target }) => setFiles(target.checked)}
        />
        {schedule && (
          <CheckField
            label="Make reports"
            hint="Periods that end while it is off get no report."
            checked={enabled}
            onChange={({ target }) => setEnabled(target.checked)}
          />
        )}
        {schedule && (
          <Button variant="danger" className="self-start" onClick={() => setDeleting(true)}>
            Delete
          </Button>
        )}
        <FormEnd
          state={form}
          action={schedule ? 'Save' : 'Schedule'}
          onCancel={onClose}
          what={schedule ? 'The schedule was not changed' : 'The reports were not scheduled'}
        />
      </form>
    </Dialog>
  );
}
