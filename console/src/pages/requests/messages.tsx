import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { api } from '../../lib/api.ts';
import type { ChatMessage } from '../../lib/chat.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { Badge, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { textOfContent } from '../playground/draft.ts';
import { Conversation } from '../playground/earlier.tsx';
import { replayOf } from '../playground/use-source.ts';
import type { RequestDetails } from './request-types.ts';

const VIEWS = ['Conversation', 'Request', 'Response'] as const;

/** What was sent and received, where the tenant logs it; else why it is not here, and how to change that. */
export function Messages({ request }: { readonly request: RequestDetails }) {
  const [chosen, setView] = useState<(typeof VIEWS)[number]>();
  const { messages } = request;
  const replay = useMemo(() => replayOf(messages?.request), [messages]);
  if (!messages) return <NotLogged request={request} />;
  // A request that was cut is a text.
  const view = chosen ?? (replay ? 'Conversation' : 'Request');
  const conversation = replay ? messagesOf(replay.draft, messages.response) : [];
  return (
    <Panel
      title="Messages"
      actions={VIEWS.map((one) => (
        <Button
          key={one}
          variant="quiet"
          aria-pressed={one === view}
          className={one === view ? 'font-semibold underline' : 'text-muted'}
          onClick={() => setView(one)}
        >
          {one}
        </Button>
      ))}
    >
      {messages.truncated.length > 0 && (
        <p className="mb-2">
          <Badge tone="warn">cut</Badge> The log has only the beginning of the{' '}
          {messages.truncated.join(' and the ')}.
        </p>
      )}
      {view === 'Conversation' ? (
        <Conversation messages={conversation} />
      ) : (
        <pre
          tabIndex={0}
          className="font-mono overflow-auto max-h-[50vh] rounded bg-raised p-2 whitespace-pre-wrap break-words"
        >
          {rawOf(view === 'Request' ? messages.request : messages.response)}
        </pre>
      )}
      {replay && (
        <Link
          to="/playground"
          search={{ request: request.id, of: request.tenant }}
          className="mt-3 rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
        >
          Open in the playground
        </Link>
      )}
    </Panel>
  );
}

function rawOf(value: unknown): string {
  if (value === null || value === undefined) return 'There was none.';
  return typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
}

function messagesOf(
  { settings: { system }, earlier, text }: NonNullable<ReturnType<typeof replayOf>>['draft'],
  response: unknown,
): ChatMessage[] {
  const said = answerOf(response);
  return [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    ...earlier,
    ...(text === '' ? [] : [{ role: 'user' as const, content: text }]),
    ...(said === '' ? [] : [{ role: 'assistant' as const, content: said }]),
  ];
}

/** The text of a response of any dialect, or of the canonical form of a stream. */
function answerOf(response: unknown): string {
  if (typeof response === 'string') return response;
  const { choices, content, output } = membersOf(response);
  const texts = (Array.isArray(choices) ? choices : []).map((choice) => {
    const { message, content: own, text } = membersOf(choice);
    return textOfContent(membersOf(message).content ?? own ?? text);
  });
  return [...texts, textOfContent(content), textOfContent(output)].filter(Boolean).join('\n');
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Says why there are no messages; those who may can log them from now on. */
function NotLogged({ request: { tenant, source } }: { readonly request: RequestDetails }) {
  const { can } = useSession();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const { data, error } = useQuery({
    queryKey: ['tenant', tenant],
    queryFn: () =>
      api.request<{ readonly request_log?: { readonly days: number } | null }>(
        'GET',
        `/admin/v1/tenants/${tenant}`,
      ),
    retry: false,
  });
  if (!data && !error) return <Skeleton className="h-16" />;
  const log = data?.data.request_log;
  const turnOn = async () => {
    await api.patch(`/admin/v1/tenants/${tenant}`, { request_log: {} }, { ifMatch: data?.etag });
    await client.invalidateQueries();
  };
  return (
    <Panel title="Messages">
      {log ? (
        <p>
          {tenant} logs prompts and responses for {log.days} days. Those of this request are not there:{' '}
          {source === 'memory'
            ? 'they are written within a second or two, or the request was rejected before it reached a model.'
            : 'it was sent before the log was turned on, was rejected before it reached a model, or was erased.'}
        </p>
      ) : (
        <div className="flex flex-col items-start gap-2">
          <p>
            Not logged: {tenant} keeps nothing of prompts and responses. With a log, requests show their
            messages here and can be opened in the playground.
          </p>
          {can('tenant:write', tenant) ? (
            <Button onClick={() => setAsking(true)}>Log messages from now on</Button>
          ) : (
            <p className="text-muted">An owner or administrator of the tenant can turn the log on.</p>
          )}
        </div>
      )}
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={`Log prompts and responses of ${tenant}`}
        lost="Everything that is sent and received from now on is kept for 30 days, up to 1,000 MiB: redacted of personal data and secrets, and sealed. Owners and administrators can read it; each reading is an entry of the audit trail."
        action="Turn it on"
        isDanger={false}
        onConfirm={turnOn}
      />
    </Panel>
  );
}
