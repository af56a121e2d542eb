import { useState } from 'react';
import { exampleModel, useChatModels } from '../lib/models.ts';
import { Snippet } from '../ui/copy.tsx';
import { SelectField } from '../ui/field.tsx';

type Client = 'curl' | 'python' | 'typescript' | 'anthropic' | 'claude-code' | 'codex';

const CLIENTS: readonly { readonly value: Client; readonly label: string }[] = [
  { value: 'curl', label: 'curl' },
  { value: 'python', label: 'Python (openai)' },
  { value: 'typescript', label: 'TypeScript (openai)' },
  { value: 'anthropic', label: 'Python (anthropic)' },
  { value: 'claude-code', label: 'Claude Code' },
  { value: 'codex', label: 'Codex' },
];

/** @returns code that sends a first message and works as it stands */
export function snippetOf(client: Client, origin: string, key: string, model: string): string {
  switch (client) {
    case 'curl':
      return `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello!"}]}'`;
    case 'python':
      return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="${key}")
reply = client.chat.completions.create(
    model="${model}", messages=[{"role": "user", "content": "Hello!"}]
)
print(reply.choices[0].message.content)`;
    case 'typescript':
      return `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: '${key}' });
const reply = await client.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'Hello!' }],
});
console.log(reply.choices[0].message.content);`;
    case 'anthropic':
      return `from anthropic import Anthropic

client = Anthropic(base_url="${origin}", api_key="${key}")
reply = client.messages.create(
    model="${model}", max_tokens=200, messages=[{"role": "user", "content": "Hello!"}]
)
print(reply.content[0].text)`;
    case 'claude-code':
      return `export ANTHROPIC_BASE_URL=${origin}
export ANTHROPIC_AUTH_TOKEN=${key}
export ANTHROPIC_MODEL=${model}
claude`;
    case 'codex':
      return `export WEIR_API_KEY=${key}
codex -c model_provider=weir -c model="${model}" \\
  -c 'model_providers.weir={name="Weir",base_url="${origin}/v1",env_key="WEIR_API_KEY",wire_api="responses"}'`;
  }
}

/** Code and settings for a key, for the client that is chosen. */
export function UseKey({
  apiKey,
  tenant,
  model,
}: {
  readonly apiKey: string;
  readonly tenant: string;
  /** When absent, one that the tenant has. */
  readonly model?: string | undefined;
}) {
  const { data: names } = useChatModels(tenant);
  const [client, setClient] = useState<Client>('curl');
  const choose = (value: string) => {
    const known = CLIENTS.find((one) => one.value === value);
    if (known) setClient(known.value);
  };
  return (
    <div className="flex flex-col gap-2">
      <SelectField
        label="Use it with"
        options={CLIENTS}
        value={client}
        onChange={({ target }) => choose(target.value)}
      />
      <Snippet
        code={snippetOf(client, location.origin, apiKey, model ?? exampleModel(names))}
        title="Works as it stands"
      />
    </div>
  );
}
