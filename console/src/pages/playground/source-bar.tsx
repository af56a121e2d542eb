import { Link } from '@tanstack/react-router';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { promptLink } from './prompts-drawer.tsx';
import type { LoadedSource } from './use-source.ts';

/** Where the messages come from: a saved prompt, or a logged request. */
export function SourceBar({
  tenant,
  source: { prompt, requestId, error, isLoading, notes },
  onForget,
}: {
  readonly tenant: string;
  readonly source: LoadedSource;
  readonly onForget: () => void;
}) {
  if (error) return <ErrorPanel what="What the link names could not be opened" error={error} />;
  if (isLoading) return <Skeleton className="h-9" />;
  if (!prompt && requestId === undefined) return null;
  return (
    <section
      aria-label="Opened"
      className="rounded border border-line bg-panel px-3 py-1.5 flex flex-wrap gap-2 items-center"
    >
      {prompt ? (
        <>
          <span className="min-w-0 break-words">
            <span className="text-muted">Prompt </span>
            <span className="font-medium">{prompt.prompt.name}</span>
            <span className="text-muted">
              , version {prompt.prompt.shown.number}
              {prompt.prompt.shown.number < prompt.prompt.latest && ` of ${prompt.prompt.latest}`}
            </span>
          </span>
          <CopyButton text={promptLink(tenant, prompt.prompt.id)} label="Copy link" />
        </>
      ) : (
        <span className="min-w-0">
          <span className="text-muted">Request </span>
          <Link
            to="/requests"
            search={{ request: requestId, of: tenant }}
            className="underline text-accent font-mono break-all"
          >
            {requestId}
          </Link>
        </span>
      )}
      <span className="grow" />
      <Button variant="quiet" onClick={onForget}>
        Detach
      </Button>
      {notes.map((note) => (
        <p key={note} className="w-full text-muted">
          {note}
        </p>
      ))}
    </section>
  );
}
