import { chatCall } from '../api/chat-call.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import type { Config } from '../config/schema.ts';
import { once } from '../core/once.ts';
import type { GuardrailKindServices } from '../guardrails/guardrail-kinds.ts';
import { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import type { ChatQuestion } from '../pipeline/chat-question.ts';
import type { GuardrailObserver } from '../pipeline/guardrail-run.ts';
import type { GuardrailServices } from '../pipeline/interceptor-services.ts';

const NO_HEADERS = new Headers();

/** Makes the guardrails of one configuration. Those of tenants and keys are made with their first request. */
export async function guardrailServices(
  config: Pick<Config, 'guardrails'>,
  kinds: GuardrailKindServices,
  observer: GuardrailObserver,
): Promise<GuardrailServices> {
  return { sets: await guardrailSets(config, kinds), observer, question };
}

/** The modules of the kinds are loaded when a guardrail needs one. */
export async function guardrailSets(
  { guardrails }: Pick<Config, 'guardrails'>,
  services: GuardrailKindServices,
): Promise<GuardrailSets> {
  const load = () => import('../guardrails/guardrail-kinds.ts');
  const loadSchema = once(async () => (await import('../config/guardrail-schema.ts')).guardrail());
  const ofGateway =
    guardrails.length === 0
      ? []
      : await load().then(({ createGuardrail }) =>
          guardrails.map((one) => createGuardrail(one, 'gateway', services)),
        );
  return new GuardrailSets(ofGateway, async (documents, level) => {
    const [{ createGuardrail }, schema] = await Promise.all([load(), loadSchema()]);
    return documents.map((one) => createGuardrail(schema.parse(one), level, services));
  });
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
