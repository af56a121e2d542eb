import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './lib/api.ts';
import { applyTheme, storedTheme } from './lib/theme.ts';
import { router } from './routes.tsx';
import './styles.css';

// Dialogs lock the page with a style element, which the policy of the page allows with its nonce only.
const nonce = document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content');
if (nonce) setNonce(nonce);
applyTheme(storedTheme());

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // An error of the caller stays one; a gateway that is away is tried again.
      retry: (failures, error) => error instanceof ApiError && error.status === 0 && failures < 3,
      refetchOnWindowFocus: true,
    },
  },
});

const element = document.getElementById('root');
if (element) {
  createRoot(element).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
