import type { ChatMessage, ChatProgress } from '../../lib/chat.ts';
import { duration, money, number } from '../../lib/format.ts';
import { Badge, ErrorPanel } from '../../ui/feedback.tsx';

/** One turn of one model. */
export interface Turn {
  readonly id: number;
  /** Undefined where the messages before it end with what is to be answered. */
  readonly question: ChatMessage | undefined;
  readonly progress: ChatProgress;
  readonly error: unknown;
  readonly isRunning: boolean;
}

/** The conversation with one model. Everything is shown as text: no answer can bring markup or scripts. */
export function Lane({ model, turns }: { readonly model: string; readonly turns: readonly Turn[] }) {
  return (
    <section className="rounded border border-line bg-panel min-w-0 flex flex-col" aria-label={model}>
      <h2 className="border-b border-line px-3 h-9 flex items-center font-mono truncate">{model}</h2>
      <div className="p-3 flex flex-col gap-4 overflow-auto max-h-[60vh]" aria-live="polite">
        {turns.length === 0 && <p className="text-muted">Its responses appear here.</p>}
        {turns.map((turn) => (
          <TurnView key={turn.id} {...turn} />
        ))}
      </div>
    </section>
  );
}

function TurnView({ question, progress, error, isRunning }: Turn) {
  const { text, reasoning, toolCalls, finishReason } = progress;
  return (
    <article className="flex flex-col gap-2">
      {question && (
        <p className="rounded bg-raised px-2 py-1 whitespace-pre-wrap break-words">{textOf(question)}</p>
      )}
      {reasoning !== '' && (
        <details>
          <summary className="text-muted cursor-pointer">Reasoning</summary>
          <p className="whitespace-pre-wrap break-words text-muted">{reasoning}</p>
        </details>
      )}
      {text !== '' && <p className="whitespace-pre-wrap break-words">{text}</p>}
      {toolCalls.map(({ id, function: { name, arguments: given } }) => (
        <details key={id} open>
          <summary className="cursor-pointer">
            calls <code className="font-mono">{name}</code>
          </summary>
          <pre className="font-mono overflow-x-auto rounded bg-raised p-2">{given}</pre>
        </details>
      ))}
      {error !== undefined && <ErrorPanel what="No complete response" error={error} />}
      {isRunning ? <Badge>running</Badge> : <Facts {...progress} />}
      {finishReason !== undefined && finishReason !== 'stop' && finishReason !== 'tool_calls' && (
        <Badge tone="warn">ended: {finishReason}</Badge>
      )}
    </article>
  );
}

function Facts({ totalMs, firstMs, usage, provider, model, cost, cache, requestId }: ChatProgress) {
  if (totalMs === undefined) return null;
  const output = usage?.completion_tokens;
  const facts = [
    ['target', provider && `${provider}/${model ?? ''}`],
    ['total', duration(totalMs)],
    ['first token', duration(firstMs)],
    ['tokens', usage && `${number(usage.prompt_tokens)} in, ${number(output)} out`],
    ['cost', cost === undefined ? undefined : money(cost)],
    ['cache', cache === 'bypass' ? undefined : cache],
  ].filter(([, value]) => value);
  return (
    <dl className="flex flex-wrap gap-x-3 gap-y-0.5 text-muted">
      {facts.map(([name, value]) => (
        <div key={name} className="flex gap-1">
          <dt>{name}</dt>
          <dd className="text-text">{value}</dd>
        </div>
      ))}
      {requestId && (
        <div className="flex gap-1 min-w-0">
          <dt>request</dt>
          <dd className="font-mono truncate select-all">{requestId}</dd>
        </div>
      )}
    </dl>
  );
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .map((part) => (part.type === 'text' ? String(part.text) : `[${String(part.type)}]`))
    .join('\n');
}
