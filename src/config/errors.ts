/** One error in the configuration, with its position. Never contains the value of a secret. */
export interface ConfigIssue {
  /** The file as its user named it; null when the value came from the environment. */
  readonly file: string | null;
  /** The environment variable that gave the value; null when the file did. */
  readonly variable: string | null;
  /** From 1; null when the whole file is meant. */
  readonly line: number | null;
  /** From 1; null when the whole file is meant. */
  readonly column: number | null;
  /** `providers[1].kind`; '' when no key is meant. */
  readonly path: string;
  readonly message: string;
}

/** The most issues in the message; `issues` contains all. */
const MAX_PRINTED = 100;

/** All errors in the configuration. */
export class ConfigError extends Error {
  constructor(
    readonly issues: readonly ConfigIssue[],
    options?: { cause?: unknown },
  ) {
    const printed = issues.slice(0, MAX_PRINTED).map((issue) => `  ${formatIssue(issue)}`);
    if (issues.length > MAX_PRINTED) printed.push(`  ... and ${issues.length - MAX_PRINTED} more`);
    super(['The configuration is not valid:', ...printed].join('\n'), options);
    this.name = 'ConfigError';
  }
}

/** `weir.yaml:12:7  providers[1].kind: is required`. */
export function formatIssue(issue: ConfigIssue): string {
  const position = issue.line === null ? '' : `:${issue.line}:${issue.column ?? 1}`;
  const place = issue.file === null ? (issue.variable ?? '') : `${issue.file}${position}`;
  return [place, issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`]
    .filter((part) => part !== '')
    .join('  ');
}

/** An issue of a whole file, such as one that cannot be read. */
export function fileIssue(file: string, message: string): ConfigIssue {
  return { file, variable: null, line: null, column: null, path: '', message };
}
