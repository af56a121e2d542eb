import { describe, test } from 'bun:test';
import {
  loadRecordedCalls,
  type RecordedCall,
  type RecordingFilter,
  recordingsFolder,
} from './recordings.ts';

/**
 * A suite over recorded exchanges. Without recordings it is one skipped test that says so.
 * @throws when recordings are there but the filter lets none through, which would test nothing
 */
export function describeRecordings(
  title: string,
  filter: RecordingFilter & { readonly where?: (recordedCall: RecordedCall) => boolean },
  suite: (recordedCalls: readonly RecordedCall[]) => void,
): void {
  if (recordingsFolder() === null) {
    console.warn(`SKIPPED: ${title}: no recorded provider traffic here (set WEIR_RECORDINGS to its folder)`);
    test.skip(`${title} (needs recorded provider traffic)`, () => undefined);
    return;
  }
  const chosen = loadRecordedCalls(filter).filter((recordedCall) => filter.where?.(recordedCall) ?? true);
  if (chosen.length === 0) throw new Error(`${title}: the filter lets no recorded exchange through`);
  describe(title, () => suite(chosen));
}
