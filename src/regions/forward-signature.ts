import { createHmac, timingSafeEqual } from 'node:crypto';

/** The header of a request that a gateway of another region forwards. */
export const FORWARDED_HEADER = 'x-weir-forwarded';

/** What a region says of a request that it forwards. */
export interface Forwarded {
  /** The region that received the request. */
  readonly from: string;
  /** The client's address, as that region knows it. */
  readonly client: string;
}

/** The request that a signature belongs to. */
export interface SignedRequest {
  /** The region that the request is sent to. */
  readonly to: string;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
}

/** How far the clocks of two regions may be apart, and how long a request may be under way. Seconds. */
const VALID_SECONDS = 300;
const FORM =
  /^from=([a-z0-9-]{1,63}), client=([0-9A-Fa-f.:%a-z]{1,64}), at=(\d{1,12}), signature=([0-9a-f]{64})$/;

/** Signs and verifies what regions tell each other of forwarded requests, with a key that all of them derive from `WEIR_SECRET`. */
export class ForwardSignature {
  /** @param nowSeconds Unix seconds */
  constructor(
    private readonly key: string,
    private readonly nowSeconds: () => number,
  ) {}

  /** @returns the value of the header */
  sign(forwarded: Forwarded, request: SignedRequest): string {
    const at = Math.floor(this.nowSeconds());
    const { from, client } = forwarded;
    const signature = this.#digest(forwarded, request, at).toString('hex');
    return `from=${from}, client=${client}, at=${at}, signature=${signature}`;
  }

  /** @returns undefined for a value that no gateway of this installation has signed for this request in the last minutes */
  verify(value: string, request: SignedRequest): Forwarded | undefined {
    const [, from, client, time, signature] = FORM.exec(value) ?? [];
    if (from === undefined || client === undefined || time === undefined || signature === undefined)
      return undefined;
    const at = Number(time);
    if (Math.abs(this.nowSeconds() - at) > VALID_SECONDS) return undefined;
    const forwarded = { from, client };
    const expected = this.#digest(forwarded, request, at);
    return timingSafeEqual(expected, Buffer.from(signature, 'hex')) ? forwarded : undefined;
  }

  #digest({ from, client }: Forwarded, request: SignedRequest, at: number): Buffer {
    const { to, method, target } = request;
    // JSON keeps the parts apart, whatever they contain.
    const text = JSON.stringify([from, client, to, at, method, target]);
    return createHmac('sha256', this.key).update(text).digest();
  }
}
