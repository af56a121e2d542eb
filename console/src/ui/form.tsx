import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ApiError } from '../lib/api.ts';
import { Cancelled } from '../lib/save.tsx';
import { markSaved } from '../lib/unsaved.tsx';
import { Button } from './button.tsx';
import { ErrorPanel } from './feedback.tsx';

/** The state of a form that is sent to the admin API. */
export interface FormState {
  readonly isBusy: boolean;
  /** An error that belongs to no field of the form. */
  readonly error: unknown;
  /** The error of a field, by the name that the API uses; `limits` stands for `limits.0.max`, too. */
  readonly errorOf: (param: string) => string | undefined;
  readonly onSubmit: (event: FormEvent) => void;
}

/**
 * Sends a form, and reads all lists again afterwards.
 * @param fields the names that errors can be shown at
 */
export function useForm(send: () => Promise<void>, fields: readonly string[] = []): FormState {
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [thrown, setThrown] = useState<unknown>();
  const param = thrown instanceof ApiError ? thrown.param : undefined;
  const fieldOf = (name: string | undefined) =>
    fields.find((field) => name === field || name?.startsWith(`${field}.`) || name?.startsWith(`${field}[`));
  const field = fieldOf(param);
  return {
    isBusy,
    error: field === undefined ? thrown : undefined,
    errorOf: (wanted) => (thrown instanceof Error && field === wanted ? thrown.message : undefined),
    onSubmit: (event) => {
      event.preventDefault();
      // A form in a dialog that another form has opened is not a part of that form.
      event.stopPropagation();
      if (isBusy) return;
      const form = event.currentTarget;
      const dialog = form instanceof Element ? form.closest('[role="dialog"]') : null;
      setBusy(true);
      setThrown(undefined);
      send()
        .then(() => {
          if (dialog) markSaved(dialog);
          void client.invalidateQueries();
        })
        .catch((error: unknown) => setThrown(error instanceof Cancelled ? undefined : error))
        .finally(() => setBusy(false));
    },
  };
}

/** The error and the buttons at the end of a form. */
export function FormEnd({
  state,
  action,
  onCancel,
  what,
  extra,
}: {
  readonly state: FormState;
  readonly action: string;
  readonly onCancel?: () => void;
  /** What failed, when it fails. */
  readonly what: string;
  readonly extra?: ReactNode;
}) {
  return (
    <>
      {state.error !== undefined && <ErrorPanel what={what} error={state.error} />}
      <div className="flex justify-end gap-2 items-center">
        {extra}
        {onCancel && <Button onClick={onCancel}>Cancel</Button>}
        <Button type="submit" variant="primary" isBusy={state.isBusy}>
          {action}
        </Button>
      </div>
    </>
  );
}
