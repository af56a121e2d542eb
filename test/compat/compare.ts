import { expect } from 'bun:test';
import type { Finish, ReadAnswer } from './answer.ts';

/** What a client's dialect can't say, or its SDK does not show; everything else must be equal. */
interface Limits {
  readonly finish?: Readonly<Partial<Record<Finish, Finish>>>;
  readonly reasoningTokens?: false;
  /** Arguments that are no JSON are repaired, since the dialect has no place for them. */
  readonly brokenArguments?: false;
}

const LIMITS: Readonly<Record<string, Limits>> = {
  'openai chat': { finish: { pause: 'stop' } },
  'openai responses': { finish: { pause: 'stop' } },
  'anthropic messages': { reasoningTokens: false, brokenArguments: false },
};

/** @throws an assertion error where the client did not get what the provider said */
export function expectSameAnswer(client: string, got: ReadAnswer, said: ReadAnswer): void {
  const limits = LIMITS[client] ?? {};
  expect(got.text).toBe(said.text);
  expect(got.reasoning).toBe(said.reasoning);
  expect(calls(got, said, limits)).toEqual(calls(said, said, limits));
  expect(got.finish).toBe(limits.finish?.[said.finish] ?? said.finish);
  const { reasoning, ...usage } = said.usage;
  const wanted = limits.reasoningTokens === false || reasoning === undefined ? usage : said.usage;
  expect(got.usage).toMatchObject(wanted);
}

function calls({ toolCalls }: ReadAnswer, said: ReadAnswer, { brokenArguments }: Limits) {
  return toolCalls.map((call, index) => {
    const broken = typeof said.toolCalls[index]?.arguments === 'string';
    return brokenArguments === false && broken ? { name: call.name } : call;
  });
}
