interface Waiter {
  readonly what: string;
  readonly ready: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Promises for conditions over state that announces its changes. */
export class Waiters {
  private waiting: Waiter[] = [];

  /** Resolves as soon as `ready` holds; rejects, naming `what`, when `fail` is called before that. */
  until(what: string, ready: () => boolean): Promise<void> {
    if (ready()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ what, ready, resolve, reject });
    });
  }

  /** To be called after each change of the state. */
  changed(): void {
    const fulfilled = this.waiting.filter((waiter) => waiter.ready());
    this.waiting = this.waiting.filter((waiter) => !fulfilled.includes(waiter));
    for (const waiter of fulfilled) waiter.resolve();
  }

  fail(reason: string): void {
    const failed = this.waiting;
    this.waiting = [];
    for (const waiter of failed) waiter.reject(new Error(`${reason} while waiting for ${waiter.what}`));
  }
}
