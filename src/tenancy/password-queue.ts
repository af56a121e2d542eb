import { GatewayError } from '../core/errors.ts';
import type { Passwords } from './users.ts';

/** Each hash takes 19 MiB and a core for some tens of milliseconds. */
const AT_ONCE = 2;
/** Beyond this number, waiting would take longer than a second. */
const MAX_WAITING = 100;

/** Hashes few passwords at once, so that a flood of sign-ins takes neither the memory nor the CPU of other requests. */
export class PasswordQueue implements Passwords {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(private readonly passwords: Passwords) {}

  hash(password: string): Promise<string> {
    return this.#inTurn(() => this.passwords.hash(password));
  }

  verify(password: string, hash: string): Promise<boolean> {
    return this.#inTurn(() => this.passwords.verify(password, hash));
  }

  isCurrent(hash: string): boolean {
    return this.passwords.isCurrent(hash);
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < AT_ONCE) this.#running += 1;
    else {
      if (this.#waiting.length >= MAX_WAITING) throw tooMany();
      // The place passes from the one that ends to the one that waits longest.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

function tooMany(): GatewayError {
  return new GatewayError('rate_limit_exceeded', 'Too many sign-ins at the same time. Try again in 1 s.', {
    retryAfterSeconds: 1,
  });
}
