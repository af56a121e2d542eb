import type { GatewayError } from './errors.ts';

/** Receives the reason, once. */
export type CancelListener = (reason: GatewayError) => void;

/**
 * A cancellation whose `AbortSignal` is made when it is first asked for. Making one for every request, with listeners and
 * an event at its end, took more than a tenth of a plain request's CPU.
 */
export class Cancellation {
  #reason: GatewayError | undefined;
  #controller: AbortController | undefined;
  #listeners: CancelListener[] = [];

  /** @returns why it was cancelled; undefined while it is not */
  get reason(): GatewayError | undefined {
    return this.#reason;
  }

  /** Aborted with the `GatewayError` as its reason. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason counts; later calls have no effect. */
  cancel(reason: GatewayError): void {
    if (this.#reason) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(reason);
    this.#controller?.abort(reason);
  }

  /** Calls back when it is cancelled, at once if it was. Listeners run in the order of registration, before those of `signal`. */
  onCancel(listener: CancelListener): void {
    if (this.#reason) listener(this.#reason);
    else this.#listeners.push(listener);
  }

  /** The listener is not called any more. */
  removeListener(listener: CancelListener): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}
