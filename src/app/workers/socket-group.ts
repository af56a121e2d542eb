/**
 * The order of the sockets that share the port, as the kernel numbers them: a new one comes last, and the last one takes the
 * number of one that closes.
 */
export class SocketGroup<Member> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** A process has begun to listen. */
  add(member: Member): void {
    this.#members.push(member);
  }

  /** A process listens no longer. */
  remove(member: Member): void {
    const at = this.#members.indexOf(member);
    const last = this.#members.pop();
    if (at >= 0 && last !== undefined && at < this.#members.length) this.#members[at] = last;
    else if (at < 0 && last !== undefined) this.#members.push(last);
  }

  /**
   * @param leaving is about to close its socket
   * @returns the numbers of others that stay the same when it does. A number beyond the last one selects any socket, so the
   *   last one's number may be used where there is no other
   */
  others(leaving: Member): readonly number[] {
    const all = [...this.#members.keys()].filter((at) => this.#members[at] !== leaving);
    const last = this.#members.length - 1;
    const staying = all.filter((at) => at !== last || this.#members[last] === leaving);
    return staying.length > 0 ? staying : all;
  }
}
