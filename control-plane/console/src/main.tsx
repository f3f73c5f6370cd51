import './app.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { SerinError } from '@serin/protocol/errors';
import { keys } from './data/keys.ts';
import { createConsoleRouter } from './router.tsx';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // Only an absent server is worth asking again; every other answer is an answer.
      retry: (failures, cause) => failures < 3 && cause instanceof SerinError && (cause.code === 'SERVER_UNREACHABLE' || cause.code === 'UNAVAILABLE'),
    },
  },
});
client.setQueryDefaults(keys.rates, { gcTime: Infinity });

const root = document.querySelector('#root');
if (root === null) throw new Error('index.html has no #root');

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={createConsoleRouter(client)} />
    </QueryClientProvider>
  </StrictMode>,
);
