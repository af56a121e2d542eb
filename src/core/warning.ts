/** A parameter of a request that the selected target does not support as the client sent it. */
export interface Warning {
  /**
   * - `unsupported`: left out
   * - `changed`: sent in another form or with another value
   */
  readonly kind: 'unsupported' | 'changed';
  /** Path of the field in the client's request where it is known, such as `top_k` or `messages[2].content[0]`. */
  readonly param: string;
  /** What happened, in a sentence for the developer. */
  readonly message: string;
}

/** Records a warning for the response's headers and the log. */
export type Warn = (warning: Warning) => void;
