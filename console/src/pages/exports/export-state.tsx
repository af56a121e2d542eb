import type { AnyExport } from '../../lib/exports.ts';
import { Badge } from '../../ui/feedback.tsx';

/** The state of an export. */
export function ExportState({ state }: { readonly state: AnyExport['state'] }) {
  if (state === 'active') return <Badge tone="good">active</Badge>;
  return state === 'failing' ? <Badge tone="bad">failing</Badge> : <Badge tone="warn">paused</Badge>;
}
