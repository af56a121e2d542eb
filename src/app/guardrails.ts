import { chatCall } from '../api/chat-call.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import { guardrail as guardrailSchema } from '../config/guardrail-schema.ts';
import type { Config } from '../config/schema.ts';
import { once } from '../core/once.ts';
import { createGuardrail, type GuardrailKindServices } from '../guardrails/guardrail-kinds.ts';
import { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import type { ChatQuestion } from '../pipeline/chat-question.ts';
import type { GuardrailObserver } from '../pipeline/guardrail-run.ts';
import type { GuardrailServices } from '../pipeline/interceptor-services.ts';

const NO_HEADERS = new Headers();

/** Makes the guardrails of one configuration. Those of tenants and keys are made with their first request. */
export function guardrailServices(
  config: Pick<Config, 'guardrails'>,
  kinds: GuardrailKindServices,
  observer: GuardrailObserver,
): GuardrailServices {
  return { sets: guardrailSets(config, kinds), observer, question };
}

export function guardrailSets(
  config: Pick<Config, 'guardrails'>,
  kinds: GuardrailKindServices,
): GuardrailSets {
  const schema = once(guardrailSchema);
  return new GuardrailSets(
    config.guardrails.map((one) => createGuardrail(one, 'gateway', kinds)),
    (documents, level) => documents.map((one) => createGuardrail(schema().parse(one), level, kinds)),
  );
}

/** Makes the calls with which the gateway itself asks a model. */
export const question: ChatQuestion = (model, { system, user }) => {
  const json = {
    model,
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
  };
  return chatCall('chat', openAiChatDialect, { text: JSON.stringify(json), json }, NO_HEADERS);
};
