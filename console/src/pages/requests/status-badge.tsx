import { Badge, type Tone } from '../../ui/feedback.tsx';

/** The status of a request, with a word where it did not end as usual. */
export function StatusBadge({ status, outcome }: { readonly status: number; readonly outcome: string }) {
  const tone: Tone = status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'neutral';
  const word =
    outcome === 'done' || (outcome === 'failed' && status >= 400) ? '' : ` ${outcome.replace('_', ' ')}`;
  return (
    <Badge tone={outcome === 'failed' && status < 400 ? 'bad' : tone}>
      {status === 0 ? '' : status}
      {word}
    </Badge>
  );
}
