import type { ComponentProps } from 'react';
import { classes } from './classes.ts';

const VARIANTS = {
  primary: 'bg-accent text-accent-text border-transparent hover:opacity-90',
  default: 'bg-panel border-line hover:bg-raised',
  quiet: 'border-transparent hover:bg-raised',
  danger: 'bg-panel border-bad text-bad hover:bg-bad-bg',
} as const;

export interface ButtonProps extends ComponentProps<'button'> {
  readonly variant?: keyof typeof VARIANTS;
  /** Shows that the action runs, and rejects clicks. */
  readonly isBusy?: boolean;
}

export function Button({
  variant = 'default',
  isBusy = false,
  type = 'button',
  className,
  onClick,
  children,
  ...rest
}: ButtonProps) {
  return (
    <button
      type={type}
      // Not `disabled`: the button would lose the focus, and the keyboard its place.
      aria-disabled={isBusy || undefined}
      aria-busy={isBusy}
      onClick={isBusy ? (event) => event.preventDefault() : onClick}
      className={classes(
        'inline-flex items-center justify-center gap-1.5 rounded border px-2.5 h-8 whitespace-nowrap font-medium',
        'disabled:opacity-50 disabled:cursor-not-allowed aria-disabled:opacity-50',
        VARIANTS[variant],
        className,
      )}
      {...rest}
    >
      {isBusy && (
        <span className="size-3 rounded-full border-2 border-current border-t-transparent motion-safe:animate-spin" />
      )}
      {children}
    </button>
  );
}
