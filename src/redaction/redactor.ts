import type { SensitiveFinder } from './find.ts';
import type { Finding, SensitiveKind } from './kinds.ts';
import type { Replace } from './styles.ts';

export interface Redacted {
  readonly text: string;
  /** Number of findings by kind; empty for none. */
  readonly counts: ReadonlyMap<SensitiveKind, number>;
}

const NONE: ReadonlyMap<SensitiveKind, number> = new Map<SensitiveKind, number>();

/** Replaces what a finder finds. */
export class Redactor {
  constructor(
    readonly finder: SensitiveFinder,
    private readonly replace: Replace,
  ) {}

  redact(text: string): Redacted {
    const findings = this.finder.find(text);
    if (findings.length === 0) return { text, counts: NONE };
    return { text: this.apply(text, findings), counts: countsOf(findings) };
  }

  /** Replaces some findings. @param findings in order, without overlaps */
  apply(text: string, findings: readonly Finding[]): string {
    let out = '';
    let last = 0;
    for (const { kind, start, end } of findings) {
      out += text.slice(last, start) + this.replace(kind, text.slice(start, end));
      last = end;
    }
    return out + text.slice(last);
  }
}

export function countsOf(findings: readonly Finding[]): Map<SensitiveKind, number> {
  const counts = new Map<SensitiveKind, number>();
  for (const { kind } of findings) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
