/** Formats one CSV field (RFC 4180), escaped so that spreadsheets do not evaluate it as a formula; numbers stay. */
export function csvField(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(?:\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @returns a table with a line for each list of values */
export function csvTable(lines: readonly (readonly unknown[])[]): string {
  return `${lines.map((line) => line.map(csvField).join(',')).join('\r\n')}\r\n`;
}
