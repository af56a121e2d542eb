/** Calls that wait for a connection, by origin, in the order of their arrival. */
export class WaitingCalls<Call> {
  readonly #byOrigin = new Map<string, Call[]>();

  add(origin: string, call: Call): void {
    const calls = this.#byOrigin.get(origin);
    if (calls === undefined) this.#byOrigin.set(origin, [call]);
    else calls.push(call);
  }

  /** Takes the call that has waited longest. */
  take(origin: string): Call | undefined {
    const calls = this.#byOrigin.get(origin);
    const call = calls?.shift();
    if (calls?.length === 0) this.#byOrigin.delete(origin);
    return call;
  }

  /** Removes a call that has ended. */
  remove(origin: string, call: Call): void {
    const calls = this.#byOrigin.get(origin);
    const at = calls?.indexOf(call) ?? -1;
    if (calls === undefined || at < 0) return;
    calls.splice(at, 1);
    if (calls.length === 0) this.#byOrigin.delete(origin);
  }
}
