import { type ComponentProps, type ReactNode, useId } from 'react';
import { classes } from './classes.ts';

const CONTROL =
  'w-full rounded border border-line bg-panel px-2 h-8 placeholder:text-muted aria-invalid:border-bad';

interface FieldFrame {
  readonly label: string;
  readonly hint?: ReactNode;
  /** What is wrong with the value. */
  readonly error?: string | undefined;
}

function Frame({
  label,
  hint,
  error,
  id,
  children,
}: FieldFrame & { readonly id: string; readonly children: ReactNode }) {
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children}
      {hint && (
        <p id={`${id}-hint`} className="text-muted">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} role="alert" className="text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Pick<FieldFrame, 'hint' | 'error'>) {
  const ids = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ');
  return { id, 'aria-invalid': error ? true : undefined, 'aria-describedby': ids === '' ? undefined : ids };
}

export function TextField({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldFrame & Omit<ComponentProps<'input'>, 'id'>) {
  const id = useId();
  return (
    <Frame {...{ label, hint, error, id }}>
      <input className={classes(CONTROL, className)} {...described(id, { hint, error })} {...rest} />
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldFrame & Omit<ComponentProps<'textarea'>, 'id'>) {
  const id = useId();
  return (
    <Frame {...{ label, hint, error, id }}>
      <textarea
        className={classes(CONTROL, 'h-auto min-h-20 py-1.5', className)}
        {...described(id, { hint, error })}
        {...rest}
      />
    </Frame>
  );
}

/** A choice of few values; the browser's own control, which works with keyboards, phones and readers. */
export function SelectField({
  label,
  hint,
  error,
  options,
  className,
  ...rest
}: FieldFrame &
  Omit<ComponentProps<'select'>, 'id' | 'children'> & {
    readonly options: readonly { readonly value: string; readonly label: string }[];
  }) {
  const id = useId();
  return (
    <Frame {...{ label, hint, error, id }}>
      <select className={classes(CONTROL, className)} {...described(id, { hint, error })} {...rest}>
        {options.map(({ value, label: text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Frame>
  );
}

export function CheckField({
  label,
  hint,
  ...rest
}: { readonly label: ReactNode; readonly hint?: ReactNode } & Omit<ComponentProps<'input'>, 'id' | 'type'>) {
  const id = useId();
  return (
    <div className="flex gap-2 items-start">
      <input type="checkbox" id={id} className="mt-0.5 size-4 accent-(--accent)" {...rest} />
      <label htmlFor={id}>
        {label}
        {hint && <span className="block text-muted">{hint}</span>}
      </label>
    </div>
  );
}
