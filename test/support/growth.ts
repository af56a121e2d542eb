/** Factor between the two sizes that are compared. */
const FACTOR = 8;
/** How much more than the factor the work may grow. Quadratic work grows by the factor once more. */
const TOLERANCE = 2.5;
/** Milliseconds. Less is noise. */
const NOISE_MS = 4;
/** The garbage collector makes single measurements useless. */
const ATTEMPTS = 8;

/**
 * Measures whether some work grows linearly with its size: eight times the size may take 20 times as long, where quadratic
 * work takes 64 times as long. Processor time is measured, which other processes do not change; the best of several
 * measurements counts.
 * @param prepare makes the work of a size; only the work itself is measured
 * @returns undefined when it does; else what was measured
 */
export function measureGrowth(size: number, prepare: (size: number) => () => void): string | undefined {
  const small = prepare(size);
  const large = prepare(size * FACTOR);
  let smallMs = Number.POSITIVE_INFINITY;
  let largeMs = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    smallMs = Math.min(smallMs, processorMs(small));
    largeMs = Math.min(largeMs, processorMs(large));
    if (largeMs <= NOISE_MS + FACTOR * TOLERANCE * smallMs) return undefined;
  }
  return `${size}: ${smallMs.toFixed(2)} ms, ${size * FACTOR}: ${largeMs.toFixed(2)} ms`;
}

/** @returns milliseconds of processor time that some work takes */
export function processorMs(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
