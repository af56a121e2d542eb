import { CancelledError } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useEffect, useState } from 'react';
import { ApiError } from '../lib/api.ts';
import { Button } from './button.tsx';
import { classes } from './classes.ts';

export type Tone = 'neutral' | 'good' | 'warn' | 'bad';

const TONES: Readonly<Record<Tone, string>> = {
  neutral: 'bg-raised text-muted',
  good: 'bg-good-bg text-good',
  warn: 'bg-warn-bg text-warn',
  bad: 'bg-bad-bg text-bad',
};
/** A shape beside each colour, for those who cannot tell colours apart. */
const SHAPES: Readonly<Record<Tone, string>> = { neutral: '', good: '●', warn: '▲', bad: '■' };

/** A state in a word. Green means healthy or recovered, amber degraded, red failing; nothing is coloured otherwise. */
export function Badge({
  tone = 'neutral',
  children,
}: {
  readonly tone?: Tone;
  readonly children: ReactNode;
}) {
  return (
    <span className={classes('inline-flex items-center gap-1 rounded px-1.5 whitespace-nowrap', TONES[tone])}>
      {SHAPES[tone] && (
        <span aria-hidden="true" className="text-[8px]">
          {SHAPES[tone]}
        </span>
      )}
      {children}
    </span>
  );
}

function messageOf(error: unknown): string {
  if (error instanceof CancelledError) return 'You have cancelled it.';
  return error instanceof Error ? error.message : String(error);
}

/** What failed, the gateway's own message, the request id, and a way to try again. */
export function ErrorPanel({
  what,
  error,
  retry,
}: {
  readonly what: string;
  readonly error: unknown;
  readonly retry?: (() => void) | undefined;
}) {
  const message = messageOf(error);
  const requestId = error instanceof ApiError ? error.requestId : undefined;
  return (
    <div role="alert" className="rounded border border-bad bg-bad-bg p-3 flex flex-wrap items-center gap-3">
      <div className="grow min-w-0">
        <p className="font-medium text-bad">{what}</p>
        <p className="break-words">{message}</p>
        {requestId && <p className="text-muted font-mono">request {requestId}</p>}
      </div>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

/** An empty state: one sentence, one action, and often a snippet. */
export function Empty({
  title,
  action,
  children,
}: {
  readonly title: string;
  readonly action?: ReactNode;
  readonly children?: ReactNode;
}) {
  return (
    <div className="rounded border border-dashed border-line p-6 flex flex-col items-start gap-3">
      <p>{title}</p>
      {children}
      {action}
    </div>
  );
}

/** The shape of what is loading, after 150 ms: faster responses do not flicker. */
export function Skeleton({ className }: { readonly className?: string }) {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div
      role="status"
      aria-label="Loading"
      className={classes('rounded', isShown && 'bg-raised motion-safe:animate-pulse', className ?? 'h-24')}
    />
  );
}
