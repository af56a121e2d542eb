import { percent } from '../lib/format.ts';

/** Share of a limit from which it will fail soon. */
export const NEAR = 0.8;

const TONES = { usual: 'bg-accent', near: 'bg-warn', full: 'bg-bad' } as const;

/** How much of a limit is used: amber from 80 %, red when nothing is left. */
export function Meter({ label, share }: { readonly label: string; readonly share: number }) {
  const tone = share >= 1 ? TONES.full : share >= NEAR ? TONES.near : TONES.usual;
  const shown = Math.max(0, Math.min(1, share));
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(shown * 100)}
      aria-valuetext={percent(share)}
      className="h-1.5 rounded bg-raised overflow-hidden"
    >
      <div className={`h-full ${tone}`} style={{ width: `${shown * 100}%` }} />
    </div>
  );
}

/** How much of some work is done. */
export function Progress({ label, share }: { readonly label: string; readonly share: number }) {
  const shown = Math.max(0, Math.min(1, share));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(shown * 100)}
      className="h-1.5 rounded bg-raised overflow-hidden"
    >
      <div className="h-full bg-accent" style={{ width: `${shown * 100}%` }} />
    </div>
  );
}
