import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate, useRouter } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { SerinError } from '@serin/protocol/errors';
import { api } from '../data/api.ts';
import { keys } from '../data/keys.ts';
import { readCode, signInWords } from '../domain/sign-in.ts';
import { Mark } from '../shell/mark.tsx';
import { Button } from '../ui/button.tsx';
import { Code } from '../ui/badge.tsx';
import { TextField } from '../ui/field.tsx';
import { errorWords } from '../ui/toasts.ts';

const route = getRouteApi('/signin');

/** Trades the one-time code behind the `#` for a session. The code never reaches a log: browsers do not send fragments. */
export function SignInPage() {
  const { to } = route.useSearch();
  const client = useQueryClient();
  const navigate = useNavigate();
  const router = useRouter();
  const [state, setState] = useState<'idle' | 'busy'>('idle');
  const [failure, setFailure] = useState<SerinError | null>(null);
  const [typed, setTyped] = useState('');
  const tried = useRef(false);

  const signIn = async (code: string): Promise<void> => {
    setState('busy');
    setFailure(null);
    try {
      const session = await api('signIn', { body: { code } });
      client.setQueryData(keys.session, session);
      if (to === undefined) await navigate({ to: '/', replace: true });
      else router.history.replace(to);
    } catch (cause) {
      setFailure(cause instanceof SerinError ? cause : new SerinError('INTERNAL', { cause }));
      setState('idle');
    }
  };

  useEffect(() => {
    const code = readCode(globalThis.location.hash);
    if (code === null || tried.current) return;
    tried.current = true;
    // Out of the address bar and of the history before anything else.
    globalThis.history.replaceState(globalThis.history.state, '', globalThis.location.pathname + globalThis.location.search);
    void signIn(code);
  });

  const words = failure === null ? null : signInWords(failure.code, errorWords(failure));
  return (
    <main className="grid min-h-dvh place-items-center bg-sunken px-4 py-10">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex items-center gap-3">
          <Mark className="size-9" />
          <div className="leading-tight">
            <p className="text-lg font-semibold tracking-[-0.01em]">Serin</p>
            <p className="text-xs text-ink-3">Models at the edge, in your sight</p>
          </div>
        </div>
        <div className="rounded-xl border border-line bg-surface p-5 shadow-raised">
          <h1 className="text-base font-semibold">{state === 'busy' ? 'Signing in…' : 'Sign in'}</h1>
          {words === null ? (
            <p className="mt-1 text-sm text-ink-2">
              {state === 'busy' ? 'The link is being checked.' : 'Open the one-time link that the server printed when it started, or paste it here.'}
            </p>
          ) : (
            <div role="alert" data-testid="sign-in-error" className="mt-3 rounded-md bg-bad-soft p-3 text-sm">
              <p className="font-medium text-bad">{words.title}</p>
              <p className="mt-0.5 text-ink-2">
                {words.hint} <Code>{failure?.code}</Code>
              </p>
            </div>
          )}
          <form
            className="mt-4 flex flex-col gap-3"
            onSubmit={(event) => {
              event.preventDefault();
              const code = readCode(typed);
              if (code !== null) void signIn(code);
            }}
          >
            <TextField
              label="Link or code"
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              autoComplete="off"
              spellCheck={false}
              placeholder="http://…/signin#…"
            />
            <Button kind="primary" type="submit" busy={state === 'busy'} refusal={state === 'idle' && readCode(typed) === null ? 'Paste the link first' : null}>
              Sign in
            </Button>
          </form>
        </div>
        <p className="mt-4 px-1 text-xs text-ink-3">
          Lost the link? A restart of the server prints a new one, in the terminal where <Code>npm start</Code> runs.
        </p>
      </div>
    </main>
  );
}
