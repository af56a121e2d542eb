import { useQuery } from '@tanstack/react-query';
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { useEffect } from 'react';
import { ApiError } from './lib/api.ts';
import { meQuery, SessionProvider } from './lib/session.tsx';
import { rangeSearch } from './lib/time-range.ts';
import { AskProvider } from './lib/unsaved.tsx';
import { AcceptPage } from './pages/accept.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { Bare, Shell } from './shell/shell.tsx';
import { ErrorPanel, Skeleton } from './ui/feedback.tsx';

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => (
    <Bare>
      <p>
        There is no such page. <a href="/console">Go to the first page</a>
      </p>
    </Bare>
  ),
});

const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: SignInPage });
const accept = createRoute({ getParentRoute: () => root, path: '/accept', component: AcceptPage });

/** Pages that need a session. */
const signedIn = createRoute({ getParentRoute: () => root, id: 'signed-in', component: SignedIn });

const LOAD_PAGES_MS = 500;

function SignedIn() {
  useAllPages();
  const { data, error, refetch } = useQuery(meQuery);
  if (data) {
    return (
      <SessionProvider me={data}>
        <AskProvider>
          <Shell />
        </AskProvider>
      </SessionProvider>
    );
  }
  if (error instanceof ApiError && error.status === 401) {
    location.replace(`/console/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
    return null;
  }
  return (
    <Bare>
      {error ? (
        <ErrorPanel what="The console could not start" error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton className="w-64 h-32" />
      )}
    </Bare>
  );
}

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/overview' });
  },
});

/** What the URL keeps of any page: a range of time, and filters by name. */
export interface PageSearch {
  readonly range?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly [filter: string]: string | undefined;
}

function pageSearch(search: Readonly<Record<string, unknown>>): PageSearch {
  const filters = Object.entries(search).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' || typeof entry[1] === 'number',
  );
  const texts = Object.fromEntries(filters.map(([name, value]) => [name, String(value)]));
  const { range: _, from: __, to: ___, ...others } = texts;
  return { ...others, ...rangeSearch(search) };
}

type LoadPage = () => Promise<Record<'default', () => React.JSX.Element>>;
const pages: LoadPage[] = [];

const page = <const Path extends string>(path: Path, load: LoadPage) => {
  // Another error than the bundler's, for which the router would reload: a page of the browser while the gateway is away.
  const component = lazyRouteComponent(() =>
    load().catch(() => {
      throw new Error('The gateway does not respond, or has another version since.');
    }),
  );
  pages.push(load);
  return createRoute({
    getParentRoute: () => signedIn,
    path,
    validateSearch: pageSearch,
    component,
    errorComponent: PageFailed,
  });
};

function PageFailed({ error }: { readonly error: unknown }) {
  return (
    <div className="p-4">
      <ErrorPanel
        what="The page could not be shown: reload it"
        error={error}
        retry={() => location.reload()}
      />
    </div>
  );
}

/** Loads all pages once the first is shown, so that they open without the network, and while the gateway is away. */
function useAllPages() {
  useEffect(() => {
    const timer = setTimeout(() => {
      // One that fails is loaded again when it is opened.
      for (const load of pages) load().catch(() => undefined);
    }, LOAD_PAGES_MS);
    return () => clearTimeout(timer);
  }, []);
}

const tree = root.addChildren([
  index,
  signIn,
  accept,
  signedIn.addChildren([
    page('/overview', () => import('./pages/overview.tsx')),
    page('/playground', () => import('./pages/playground.tsx')),
    page('/requests', () => import('./pages/requests.tsx')),
    page('/batches', () => import('./pages/batches.tsx')),
    page('/usage', () => import('./pages/usage.tsx')),
    page('/invoices', () => import('./pages/invoices.tsx')),
    page('/models', () => import('./pages/models.tsx')),
    page('/tenants', () => import('./pages/tenants.tsx')),
    page('/policies', () => import('./pages/policies.tsx')),
    page('/settings', () => import('./pages/settings.tsx')),
    page('/welcome', () => import('./pages/welcome.tsx')),
    page('/events', () => import('./pages/events.tsx')),
    page('/exports', () => import('./pages/exports.tsx')),
    page('/alerts', () => import('./pages/alerts.tsx')),
  ]),
]);

export const router = createRouter({ routeTree: tree, basepath: '/console', defaultPreload: 'intent' });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
