import { useState } from 'react';
import { Button } from './button.tsx';

/** Copies a text. */
export function CopyButton({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setState('copied'),
      // Without TLS, browsers give pages no clipboard: the text can be selected.
      () => setState('failed'),
    );
    setTimeout(() => setState('idle'), 2_000);
  };
  const words = { idle: label, copied: 'Copied', failed: 'Select and copy' };
  return (
    <Button variant="quiet" onClick={copy} aria-live="polite">
      {words[state]}
    </Button>
  );
}

/** Code to copy, such as a command. */
export function Snippet({ code, title }: { readonly code: string; readonly title?: string }) {
  return (
    <figure className="w-full rounded border border-line bg-panel">
      <figcaption className="flex items-center justify-between gap-2 border-b border-line pl-3 pr-1 text-muted">
        <span>{title}</span>
        <CopyButton text={code} />
      </figcaption>
      <pre tabIndex={0} className="overflow-x-auto p-3 font-mono whitespace-pre">
        {code}
      </pre>
    </figure>
  );
}

/** A secret that the gateway shows once. */
export function SecretOnce({ secret, what }: { readonly secret: string; readonly what: string }) {
  return (
    <div className="rounded border border-warn bg-warn-bg p-3 flex flex-col gap-2">
      <p className="font-medium">Copy {what} now: it is not shown again.</p>
      <div className="flex items-center gap-2">
        <code className="grow min-w-0 break-all font-mono select-all">{secret}</code>
        <CopyButton text={secret} />
      </div>
    </div>
  );
}
