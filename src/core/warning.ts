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
  /** Number of warnings that this one stands for; 1 when absent. */
  readonly count?: number;
}

/** Records a warning for the response's headers and the log. */
export type Warn = (warning: Warning) => void;

/** Warnings that are kept. More are of no use, and a request can cause a million of them. */
const MAX_KEPT = 100;
/** UTF-16 units that are kept of texts, which may contain names from the request. */
const MAX_PARAM = 200;
const MAX_MESSAGE = 500;

/** Adds a warning to a list. Above 100 warnings, the last one counts the rest. */
export function addWarning(list: Warning[], { kind, param, message }: Warning): void {
  if (list.length < MAX_KEPT) {
    list.push({ kind, param: shortened(param, MAX_PARAM), message: shortened(message, MAX_MESSAGE) });
    return;
  }
  const count = (list[MAX_KEPT]?.count ?? 0) + 1;
  list[MAX_KEPT] = { kind: 'unsupported', param: '*', message: `${count} more warnings.`, count };
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}
