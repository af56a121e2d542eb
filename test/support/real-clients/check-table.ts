/** The result of one check: nothing for a pass, or the reason why it failed or could not run. */
export type CheckResult = { readonly passed: true; readonly note?: string } | FailedCheck | SkippedCheck;
interface FailedCheck {
  readonly passed: false;
  readonly reason: string;
}
interface SkippedCheck {
  readonly skipped: true;
  readonly reason: string;
}

/** A table of checks with real programs: prints each row when it is known, and the sum at the end. */
export class CheckTable {
  readonly #widths: readonly number[];
  readonly #started = performance.now();
  #passed = 0;
  readonly #failed: string[] = [];
  readonly #skipped: string[] = [];

  /**
   * @param columns the names of the columns before "result", with their widths in characters
   * @param write writes one line
   */
  constructor(
    columns: Readonly<Record<string, number>>,
    private readonly write: (line: string) => void = console.log,
  ) {
    this.#widths = Object.values(columns);
    this.write(this.#line(Object.keys(columns), 'result'));
    this.write(
      this.#line(
        this.#widths.map((width) => '-'.repeat(width)),
        '------',
      ),
    );
  }

  #line(cells: readonly string[], result: string): string {
    return `${cells.map((cell, index) => cell.padEnd(this.#widths[index] ?? 0)).join('  ')}  ${result}`;
  }

  add(cells: readonly string[], result: CheckResult): void {
    if ('skipped' in result) {
      this.#skipped.push(`${cells.join(', ')}: ${result.reason}`);
      this.write(this.#line(cells, 'SKIPPED'));
    } else if (result.passed) {
      this.#passed += 1;
      this.write(this.#line(cells, result.note === undefined ? 'pass' : `pass (${result.note})`));
    } else {
      this.#failed.push(`${cells.join(', ')}: ${result.reason}`);
      this.write(this.#line(cells, 'FAIL'));
    }
  }

  /** Runs a check; an error that it throws is its failure. */
  async check(cells: readonly string[], run: () => Promise<string | undefined>): Promise<void> {
    try {
      const note = await run();
      this.add(cells, { passed: true, ...(note !== undefined && { note }) });
    } catch (error) {
      this.add(cells, { passed: false, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  /**
   * Prints failures, skipped checks and the sum.
   * @returns the exit code: 1 if a check failed, or if none could run
   */
  end(): number {
    for (const line of this.#failed) this.write(`\nFAILED   ${line}`);
    for (const line of this.#skipped) this.write(`\nSKIPPED  ${line}`);
    this.write(`\n${Math.round((performance.now() - this.#started) / 1000)} s`);
    const skipped = this.#skipped.length > 0 ? `, ${this.#skipped.length} skipped` : '';
    this.write(`${this.#passed} passed, ${this.#failed.length} failed${skipped}`);
    if (this.#passed + this.#failed.length === 0) this.write('No check could run.');
    return this.#failed.length > 0 || this.#passed === 0 ? 1 : 0;
  }
}
