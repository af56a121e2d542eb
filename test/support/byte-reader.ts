import { indexOfBytes, joinBytes, toBytes } from './bytes.ts';

/** Turns pushed bytes into awaited reads. One reader at a time. */
export class ByteReader {
  private pending: Uint8Array = new Uint8Array(0);
  private readonly arrived: Uint8Array[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    this.arrived.push(bytes);
    this.signal();
  }

  /** No more bytes will come. */
  end(): void {
    this.ended = true;
    this.signal();
  }

  /** Everything up to and including `delimiter`; undefined when the bytes end before it. */
  async readThrough(delimiter: string): Promise<Uint8Array | undefined> {
    const needle = toBytes(delimiter);
    let searched = 0;
    for (;;) {
      this.collect();
      const at = indexOfBytes(this.pending, needle, searched);
      if (at >= 0) return this.take(at + needle.length);
      searched = Math.max(0, this.pending.length - needle.length + 1);
      if (!(await this.more())) return undefined;
    }
  }

  /** Exactly `count` bytes; undefined when the bytes end before that. */
  async readExactly(count: number): Promise<Uint8Array | undefined> {
    for (;;) {
      this.collect();
      if (this.pending.length >= count) return this.take(count);
      if (!(await this.more())) return undefined;
    }
  }

  /** What has arrived, waiting for at least one byte and giving at most `limit`; undefined at the end. */
  async readSome(limit = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    for (;;) {
      this.collect();
      if (this.pending.length > 0) return this.take(Math.min(limit, this.pending.length));
      if (!(await this.more())) return undefined;
    }
  }

  /** Bytes that have arrived and were not read. */
  buffered(): number {
    return this.arrived.reduce((total, bytes) => total + bytes.length, this.pending.length);
  }

  private collect(): void {
    if (this.arrived.length === 0) return;
    this.pending = joinBytes([this.pending, ...this.arrived]);
    this.arrived.length = 0;
  }

  private take(count: number): Uint8Array {
    const taken = this.pending.subarray(0, count);
    this.pending = this.pending.subarray(count);
    return taken;
  }

  /** Waits for bytes that were not collected yet; false when there will be none. */
  private async more(): Promise<boolean> {
    if (this.arrived.length > 0) return true;
    if (this.ended) return false;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    return this.arrived.length > 0;
  }

  private signal(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
