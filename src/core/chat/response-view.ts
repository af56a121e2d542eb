/** The facts of a complete response that checks use. Each client dialect reads them from its own body. */
export interface ResponseView {
  /** Text of the first choice, without reasoning. */
  readonly text: string;
  /** The model declined to answer, as its API reports it. */
  readonly refused: boolean;
  /** The response asks for tool calls, so its text is not the final answer. */
  readonly callsTools: boolean;
  /** Natural logarithms of the token probabilities; empty where the response has none. */
  readonly logprobs: readonly number[];
}
