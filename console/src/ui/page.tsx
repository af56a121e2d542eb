import { type ReactNode, useEffect, useRef } from 'react';

/** The head of a page: its title, its purpose in a line, and what can be done first. */
export function Page({
  title,
  purpose,
  actions,
  children,
}: {
  readonly title: string;
  readonly purpose: string;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Weir`;
  }, [title]);
  useEffect(() => {
    // Readers announce the page that was opened from the rail, and Tab goes on in it.
    if (document.activeElement?.closest('nav')) heading.current?.focus();
  }, []);
  return (
    <div className="p-4 flex flex-col gap-4 min-w-0">
      <header className="flex flex-wrap items-start gap-3">
        <div className="grow min-w-0">
          <h1 ref={heading} tabIndex={-1} className="text-lg font-semibold">
            {title}
          </h1>
          <p className="text-muted">{purpose}</p>
        </div>
        <div className="flex flex-wrap gap-2 items-center">{actions}</div>
      </header>
      {children}
    </div>
  );
}

/** A part of a page with a heading. */
export function Panel({
  title,
  actions,
  children,
}: {
  readonly title: string;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <section className="rounded border border-line bg-panel min-w-0">
      <div className="flex items-center gap-2 border-b border-line px-3 min-h-9">
        <h2 className="font-semibold grow">{title}</h2>
        {actions}
      </div>
      <div className="p-3">{children}</div>
    </section>
  );
}
