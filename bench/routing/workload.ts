/** Requests as agents and chats send them: shared system prompts, conversations that grow, answers of very different length. */

export interface SimulatedRequest {
  /** Milliseconds from the beginning. */
  readonly at: number;
  readonly tenant: string;
  /** In OpenAI's form; only their beginnings matter. */
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface WorkloadOptions {
  readonly requests: number;
  readonly perSecond: number;
  readonly random: () => number;
}

const SYSTEM_PROMPTS = 24;
/** Tokens. */
const SYSTEM_LENGTH = 2_000;
const TURN_LENGTH = 150;
const MAX_CONVERSATION_TURNS = 8;
const LETTERS_PER_TOKEN = 4;
/** Of the answers' lengths: log-normal, with a median of 150 tokens and one in a hundred beyond 1,500. */
const ANSWER_MEDIAN = 150;
const ANSWER_SIGMA = 1;
const MAX_OUTPUT_TOKENS = 4_000;

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Text of so many tokens that is not the same for any two seeds. */
function prose(seed: string, tokens: number): string {
  return `${seed} `.repeat(Math.ceil((tokens * LETTERS_PER_TOKEN) / (seed.length + 1)));
}

/** The same for the same random numbers. */
export function workload({ requests, perSecond, random }: WorkloadOptions): SimulatedRequest[] {
  const prompts = Array.from({ length: SYSTEM_PROMPTS }, (_, index) =>
    prose(`system${index}`, SYSTEM_LENGTH),
  );
  const open: { system: number; turns: string[] }[] = [];
  let at = 0;
  let conversations = 0;
  return Array.from({ length: requests }, () => {
    at += (-Math.log(1 - random()) * 1_000) / perSecond;
    let place = Math.floor(random() * 200);
    if (!open[place]) {
      // Few prompts are used by many, as few agents are.
      const system = Math.floor(random() ** 2 * SYSTEM_PROMPTS);
      place = open.length;
      open.push({ system, turns: [] });
    }
    const conversation = open[place];
    if (!conversation) throw new Error('there is always one');
    conversations += 1;
    conversation.turns.push(prose(`turn${conversations}`, TURN_LENGTH));
    const messages = [
      { role: 'system', content: prompts[conversation.system] ?? '' },
      ...conversation.turns.map((content) => ({ role: 'user', content })),
    ];
    const tenant = `tenant${conversation.system % 5}`;
    const letters = messages.reduce((sum, { content }) => sum + content.length, 0);
    if (conversation.turns.length >= MAX_CONVERSATION_TURNS) open.splice(place, 1);
    return {
      at,
      tenant,
      messages,
      inputTokens: Math.ceil(letters / LETTERS_PER_TOKEN),
      outputTokens: Math.min(
        MAX_OUTPUT_TOKENS,
        Math.ceil(ANSWER_MEDIAN * Math.exp(ANSWER_SIGMA * normal(random))),
      ),
    };
  });
}
