import type { ChatMessage } from '../../lib/chat.ts';
import { Button } from '../../ui/button.tsx';
import { textOfContent } from './draft.ts';

/** Messages that are sent before the one that is typed: of a saved prompt or of a logged request. */
export function Earlier({
  messages,
  onChange,
}: {
  readonly messages: readonly ChatMessage[];
  readonly onChange: (messages: readonly ChatMessage[]) => void;
}) {
  if (messages.length === 0) return null;
  return (
    <details open className="rounded border border-line bg-panel min-w-0">
      <summary className="cursor-pointer px-3 h-9 flex items-center gap-2">
        <span className="font-semibold">Messages before</span>
        <span className="text-muted">{messages.length}, sent to each model</span>
      </summary>
      <Conversation
        messages={messages}
        onRemove={(index) => onChange(messages.filter((_, at) => at !== index))}
      />
    </details>
  );
}

/** Messages with their roles; everything is shown as text. */
export function Conversation({
  messages,
  onRemove,
}: {
  readonly messages: readonly ChatMessage[];
  readonly onRemove?: (index: number) => void;
}) {
  return (
    <ol className="flex flex-col max-h-[50vh] overflow-auto" tabIndex={0} aria-label="Conversation">
      {messages.map(({ role, content, tool_calls: calls }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: messages have no id, and their order is fixed
        <li key={index} className="border-t border-line px-3 py-2 flex gap-3 items-start">
          <span className="w-16 shrink-0 text-muted">{role}</span>
          <div className="grow min-w-0 flex flex-col gap-1">
            {textOfContent(content) !== '' && (
              <p className="whitespace-pre-wrap break-words">{textOfContent(content)}</p>
            )}
            {calls?.map(({ id, function: { name, arguments: given } }) => (
              <details key={id}>
                <summary className="cursor-pointer">
                  calls <code className="font-mono">{name}</code>
                </summary>
                <pre className="font-mono overflow-x-auto rounded bg-raised p-2">{given}</pre>
              </details>
            ))}
            {textOfContent(content) === '' && !calls && <p className="text-muted">no text</p>}
          </div>
          {onRemove && (
            <Button
              variant="quiet"
              aria-label={`Remove message ${index + 1}`}
              onClick={() => onRemove(index)}
            >
              ✕
            </Button>
          )}
        </li>
      ))}
    </ol>
  );
}
