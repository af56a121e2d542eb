import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import { api } from '../lib/api.ts';
import { useSession } from '../lib/session.tsx';
import { applyTheme, storedTheme, type Theme } from '../lib/theme.ts';
import { Button } from '../ui/button.tsx';
import { classes } from '../ui/classes.ts';
import { CommandPalette } from './command-palette.tsx';
import { NAVIGATION } from './navigation.ts';
import { Shortcuts } from './shortcuts.tsx';
import { SignInAgain } from './sign-in-again.tsx';
import { SlowLoading } from './slow-loading.tsx';

const COLLAPSED = 'weir-rail';

/** The frame of all pages: rail, tenant, banners, and what the keyboard opens. */
export function Shell() {
  const [isCollapsed, setCollapsed] = useState(() => localStorage.getItem(COLLAPSED) === 'collapsed');
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const state = useSyncExternalStore(
    (listener) => api.onState(listener),
    () => api.state,
  );
  useKeys({ openPalette: () => setPaletteOpen(true), openHelp: () => setHelpOpen(true) });
  const { me } = useSession();
  const navigation = NAVIGATION.filter(({ isForOperators }) => me.platform_admin || !isForOperators);
  const collapse = () => {
    localStorage.setItem(COLLAPSED, isCollapsed ? 'open' : 'collapsed');
    setCollapsed(!isCollapsed);
  };
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[auto_1fr]">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-20 bg-panel p-2">
        Skip to content
      </a>
      <div className="md:hidden flex items-center gap-2 border-b border-line bg-panel px-2 h-11 sticky top-0 z-10">
        <Button
          variant="quiet"
          aria-expanded={isMenuOpen}
          aria-controls="rail"
          onClick={() => setMenuOpen(!isMenuOpen)}
        >
          Menu
        </Button>
        <span className="font-semibold">Weir</span>
        <Button variant="quiet" className="ml-auto" onClick={() => setPaletteOpen(true)}>
          Search
        </Button>
      </div>
      <nav
        id="rail"
        aria-label="Pages"
        className={classes(
          'border-r border-line bg-panel flex-col gap-0.5 p-2 md:flex md:sticky md:top-0 md:h-dvh overflow-y-auto',
          isMenuOpen ? 'flex' : 'hidden',
          isCollapsed ? 'md:w-14' : 'md:w-[216px]',
        )}
      >
        <div className="hidden md:flex items-center h-8 px-2 mb-1">
          <span className="font-semibold text-[15px]">{isCollapsed ? 'W' : 'Weir'}</span>
        </div>
        {!isCollapsed && <TenantSwitcher />}
        {navigation.map(({ to, label }) => (
          <Link
            key={to}
            to={to}
            title={label}
            onClick={() => setMenuOpen(false)}
            className="rounded px-2 h-8 flex items-center hover:bg-raised"
            activeProps={{ className: 'bg-raised font-semibold', 'aria-current': 'page' }}
          >
            {isCollapsed ? label.slice(0, 2) : label}
          </Link>
        ))}
        <div className="mt-auto pt-4 flex flex-col gap-0.5">
          {!isCollapsed && <Account />}
          <Button variant="quiet" className="justify-start hidden md:inline-flex" onClick={collapse}>
            {isCollapsed ? '»' : '« Collapse'}
          </Button>
        </div>
      </nav>
      <main id="main" className="min-w-0">
        {!state.isReachable && <Unreachable since={state.unreachableSince} />}
        <Outlet />
      </main>
      <SlowLoading />
      <CommandPalette isOpen={isPaletteOpen} onClose={() => setPaletteOpen(false)} />
      <Shortcuts isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
      {!state.isSignedIn && <SignInAgain />}
    </div>
  );
}

/** What is shown may be old: the gateway does not respond. */
function Unreachable({ since }: { readonly since: number | undefined }) {
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const retry = () => {
    setBusy(true);
    api
      .get('/admin/v1/me')
      .catch(() => undefined)
      .finally(() => setBusy(false));
  };
  useEffect(() => {
    const timer = setInterval(() => void api.get('/admin/v1/me').catch(() => undefined), 5_000);
    return () => {
      clearInterval(timer);
      // It responds again: what failed meanwhile is read without a click.
      void client.invalidateQueries();
    };
  }, [client]);
  return (
    <div role="alert" className="flex items-center gap-3 bg-bad-bg border-b border-bad px-4 py-2">
      <span className="grow">
        The gateway does not respond{since !== undefined && ` since ${new Date(since).toLocaleTimeString()}`}.
        What you see is from before; it is tried again every 5 s.
      </span>
      <Button onClick={retry} isBusy={isBusy}>
        Try now
      </Button>
    </div>
  );
}

function TenantSwitcher() {
  const { me, tenants, tenant, selectTenant } = useSession();
  if (!me.platform_admin && tenants.length < 2) {
    return <p className="px-2 pb-2 text-muted truncate">{tenants[0]?.name ?? 'no tenant'}</p>;
  }
  return (
    <select
      aria-label="Tenant"
      className="mb-2 w-full rounded border border-line bg-panel px-2 h-8"
      value={tenant ?? ''}
      onChange={({ target }) => selectTenant(target.value === '' ? undefined : target.value)}
    >
      {me.platform_admin && <option value="">All tenants</option>}
      {tenants.map(({ id, name }) => (
        <option key={id} value={id}>
          {name === id ? id : `${name} (${id})`}
        </option>
      ))}
    </select>
  );
}

function Account() {
  const { me, signOut } = useSession();
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const choose = (value: string) => {
    const next = value === 'light' || value === 'dark' ? value : 'system';
    applyTheme(next);
    setTheme(next);
  };
  return (
    <>
      <label className="flex items-center gap-2 px-2 text-muted">
        Theme
        <select
          className="grow rounded border border-line bg-panel h-7 px-1 text-text"
          value={theme}
          onChange={({ target }) => choose(target.value)}
        >
          <option value="system">System</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
      <p className="px-2 truncate" title={me.id}>
        {me.name}
      </p>
      <Button variant="quiet" className="justify-start" onClick={() => void signOut()}>
        Sign out
      </Button>
    </>
  );
}

/** `Ctrl K` opens the palette, `?` the help, `g` and a letter a page. */
function useKeys({
  openPalette,
  openHelp,
}: {
  readonly openPalette: () => void;
  readonly openHelp: () => void;
}) {
  const navigate = useNavigate();
  useEffect(() => {
    let isGoing = false;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '?') openHelp();
      const page = isGoing ? NAVIGATION.find(({ key }) => key === event.key) : undefined;
      isGoing = event.key === 'g';
      if (page) void navigate({ to: page.to });
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [navigate, openPalette, openHelp]);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}

/** A frame for pages without a session. */
export function Bare({ children }: { readonly children: ReactNode }) {
  return <main className="min-h-dvh grid place-items-center p-4">{children}</main>;
}
