import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ReplyOf } from '@serin/protocol/api/routes';
import { role as roleSchema, type Role } from '@serin/protocol/api/resources';
import { deviceId } from '@serin/protocol/ids';
import { api } from '../data/api.ts';
import { useAction } from '../data/actions.ts';
import { keys } from '../data/keys.ts';
import { auditQuery, devicesQuery, tokensQuery } from '../data/queries.ts';
import { useRefusal, useSession } from '../data/use-session.ts';
import { formatFull, plural } from '../domain/format.ts';
import { settingsTabs, type SettingsTab } from '../domain/search.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { Dialog, DialogActions } from '../ui/dialog.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Ago } from '../ui/time.tsx';

const route = getRouteApi('/shell/settings');

const tabWords: Record<SettingsTab, string> = { session: 'Session', tokens: 'Tokens', enrol: 'Enrol a device', audit: 'Audit' };

export function SettingsPage() {
  const { tab = 'session' } = route.useSearch();
  return (
    <Page title="Settings">
      <nav aria-label="Settings" className="flex gap-1 overflow-x-auto border-b border-line">
        {settingsTabs.map((each) => (
          <Link
            key={each}
            to="/settings"
            search={each === 'session' ? {} : { tab: each }}
            aria-current={each === tab ? 'page' : undefined}
            className={cn(
              '-mb-px border-b-2 px-3 py-2 text-sm whitespace-nowrap',
              each === tab ? 'border-ink font-medium' : 'border-transparent text-ink-2 hover:text-ink',
            )}
          >
            {tabWords[each]}
          </Link>
        ))}
      </nav>
      {tab === 'session' && <SessionTab />}
      {tab === 'tokens' && <TokensTab />}
      {tab === 'enrol' && <EnrolTab />}
      {tab === 'audit' && <AuditTab />}
    </Page>
  );
}

const roleWords: Record<Role, string> = {
  admin: 'Everything, tokens and revocations included',
  operator: 'Rollouts, jobs and enrolments',
  viewer: 'Sees everything, changes nothing',
};

function SessionTab() {
  const session = useSession();
  return (
    <Panel className="max-w-xl">
      <PanelHead title="Signed in" />
      <Facts className="p-4">
        <Fact name="Name">{session.name}</Fact>
        <Fact name="Role">
          {session.role}, <span className="text-ink-3">{roleWords[session.role].toLowerCase()}</span>
        </Fact>
        <Fact name="Fleet">{session.fleet}</Fact>
        <Fact name="Product">{session.product}</Fact>
        <Fact name="Mode">{session.demo ? 'Demo: cameras are rendered' : 'Production'}</Fact>
      </Facts>
    </Panel>
  );
}

type TokenRow = ReplyOf<'listTokens'>['items'][number];

function TokensTab() {
  const refusal = useRefusal('listTokens');
  if (refusal !== null) {
    return (
      <Panel>
        <Empty title="Tokens are for administrators">{refusal}.</Empty>
      </Panel>
    );
  }
  return <Tokens />;
}

function Tokens() {
  const { data: tokens } = useQuery(tokensQuery);
  const [revoking, setRevoking] = useState<TokenRow | null>(null);
  const revoke = useAction<string, 'revokeToken'>(
    (id) => api('revokeToken', { params: { id } }),
    (_, client) => {
      setRevoking(null);
      void client.invalidateQueries({ queryKey: keys.tokens });
    },
  );
  return (
    <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel aria-labelledby="tokens" className="min-w-0">
        <PanelHead id="tokens" title="Tokens for machines" note="the command line, scripts and build systems" />
        {tokens === undefined && <Skeleton className="m-4 h-24" />}
        {tokens?.length === 0 && <Empty title="No token yet">A token lets a program call the API with a role; it is shown once.</Empty>}
        <ul className="divide-y divide-line">
          {tokens?.map((token) => (
            <li key={token.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5">
              <span className="min-w-0 truncate text-sm font-medium">{token.name}</span>
              <Badge>{token.role}</Badge>
              <span className="ml-auto text-xs text-ink-3">
                {token.lastUsedAt === null ? (
                  'never used'
                ) : (
                  <>
                    used <Ago at={token.lastUsedAt} />
                  </>
                )}
              </span>
              <span className="text-xs text-ink-3">expires {formatFull(token.expiresAt)}</span>
              <Button small onClick={() => setRevoking(token)} aria-label={`Revoke ${token.name}`}>
                Revoke
              </Button>
            </li>
          ))}
        </ul>
      </Panel>
      <NewToken />
      <Dialog
        open={revoking !== null}
        onClose={() => setRevoking(null)}
        title={`Revoke the token ${revoking?.name ?? ''}?`}
        description="Programs that use it are refused from the next call on."
      >
        <DialogActions>
          <Button onClick={() => setRevoking(null)}>Keep it</Button>
          <Button kind="danger" busy={revoke.isPending} onClick={() => revoking !== null && revoke.mutate(revoking.id)}>
            Revoke
          </Button>
        </DialogActions>
      </Dialog>
    </div>
  );
}

function NewToken() {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('operator');
  const [days, setDays] = useState('30');
  const create = useAction<undefined, 'createToken'>(
    () => api('createToken', { body: { name: name.trim(), role, days: Number(days) } }),
    (_, client) => {
      setName('');
      void client.invalidateQueries({ queryKey: keys.tokens });
    },
  );
  const daysFit = /^\d+$/.test(days) && Number(days) >= 1 && Number(days) <= 365;
  const refusal = name.trim() === '' ? 'Give it a name first' : daysFit ? null : 'Between 1 and 365 days';
  return (
    <Panel aria-label="Make a token">
      <PanelHead title="Make a token" />
      <form
        className="flex flex-col gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (refusal === null) create.mutate(undefined);
        }}
      >
        <TextField label="Name" value={name} maxLength={64} onChange={(event) => setName(event.target.value)} placeholder="build server" />
        <SelectField label="Role" value={role} onChange={(event) => setRole(roleSchema.parse(event.target.value))}>
          {roleSchema.options.map((each) => (
            <option key={each} value={each}>
              {each}: {roleWords[each].toLowerCase()}
            </option>
          ))}
        </SelectField>
        <TextField label="Days until it expires" inputMode="numeric" value={days} onChange={(event) => setDays(event.target.value)} />
        <Button kind="primary" type="submit" refusal={refusal} busy={create.isPending} className="self-start">
          Make the token
        </Button>
        {create.data !== undefined && (
          <div role="status" className="flex flex-col gap-1.5 rounded-md bg-ok-soft p-3">
            <p className="text-sm font-medium text-ok">Copy it now; it is not shown again</p>
            <CopyLine text={create.data.token} label="token" wrap />
          </div>
        )}
      </form>
    </Panel>
  );
}

function EnrolTab() {
  const refusal = useRefusal('createEnrolment');
  const [name, setName] = useState('');
  const { data: devices = [] } = useQuery(devicesQuery);
  // What was there when the token was made: whoever is new afterwards has joined with it.
  const [before, setBefore] = useState<ReadonlySet<string>>(new Set());
  const enrol = useAction<undefined, 'createEnrolment'>(() => {
    setBefore(new Set(devices.map(({ id }) => id)));
    const parsed = deviceId.safeParse(name.trim());
    return api('createEnrolment', { body: parsed.success ? { name: parsed.data } : {} });
  });
  const nameFits = name.trim() === '' || deviceId.safeParse(name.trim()).success;
  const joined = enrol.data === undefined ? [] : devices.filter(({ id }) => !before.has(id));
  return (
    <Panel className="max-w-3xl">
      <PanelHead title="Enrol a device" note="a single-use token that pins this server" />
      <div className="flex flex-col gap-5 p-4">
        <form
          className="flex flex-wrap items-end gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            if (refusal === null && nameFits) enrol.mutate(undefined);
          }}
        >
          <TextField
            label="Name (optional)"
            value={name}
            maxLength={63}
            onChange={(event) => setName(event.target.value)}
            placeholder="camera-7"
            className="min-w-56"
          />
          <Button kind="primary" type="submit" busy={enrol.isPending} refusal={refusal ?? (nameFits ? null : 'Lower-case letters, digits, - and _ only')}>
            Make a join token
          </Button>
        </form>
        {enrol.data !== undefined && (
          <div className="flex flex-col gap-4">
            <div>
              <p className="eyebrow mb-1">1. Run this on the device</p>
              <CopyLine text={enrol.data.command} label="command" wrap />
              <p className="mt-1 text-xs text-ink-3">
                Good once, until {formatFull(enrol.data.expiresAt)}. The key pair is made on the device and never leaves it.
              </p>
            </div>
            <div>
              <p className="eyebrow mb-1">Or the token alone</p>
              <CopyLine text={enrol.data.token} label="token" wrap />
            </div>
            <div role="status">
              <p className="eyebrow mb-1">2. It appears here</p>
              {joined.length === 0 ? (
                <p className="flex items-center gap-2 text-sm text-ink-2">
                  <span className="size-2 animate-pulse-soft rounded-full bg-info" aria-hidden />
                  Waiting for the device…
                </p>
              ) : (
                <ul className="flex flex-col gap-1">
                  {joined.map(({ id }) => (
                    <li key={id} className="text-sm">
                      <Link to="/devices/$id" params={{ id }} className="font-medium text-ok hover:underline">
                        {id} has joined
                      </Link>
                    </li>
                  ))}
                </ul>
              )}
            </div>
          </div>
        )}
        {enrol.data === undefined && (
          <p className="text-sm text-ink-3">
            The device asks for its certificate over HTTPS with this token, then talks MQTT with mutual TLS. Revoke it under <Code>Devices</Code> at any time.
          </p>
        )}
      </div>
    </Panel>
  );
}

function AuditTab() {
  const { q = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: entries } = useQuery(auditQuery);
  const needle = q.trim().toLowerCase();
  const shown = entries?.filter(({ actor, action, subject, words }) => `${actor} ${action} ${subject} ${words}`.toLowerCase().includes(needle));
  return (
    <Panel aria-labelledby="audit" className="min-w-0 overflow-hidden">
      <PanelHead id="audit" title="Audit" note={shown === undefined ? 'Loading…' : plural(shown.length, 'entry', 'entries')}>
        <TextField
          label="Filter the audit list"
          hideLabel
          type="search"
          placeholder="Who, what or which"
          value={q}
          onChange={(event) => void navigate({ search: event.target.value === '' ? { tab: 'audit' } : { tab: 'audit', q: event.target.value }, replace: true })}
        />
      </PanelHead>
      {entries === undefined && <Skeleton className="m-4 h-40" />}
      {shown?.length === 0 && <Empty title={needle === '' ? 'Nothing has happened yet' : 'No entry matches'} />}
      <ol className="divide-y divide-line">
        {shown?.map((entry) => (
          <li key={entry.id} className="grid gap-x-4 gap-y-0.5 px-4 py-2.5 text-sm sm:grid-cols-[11rem_9rem_minmax(0,1fr)]">
            <time dateTime={new Date(entry.at).toISOString()} className="text-xs leading-5 text-ink-3">
              {formatFull(entry.at)}
            </time>
            <span className="truncate font-medium">{entry.actor}</span>
            <span className="min-w-0 break-words">
              {entry.words} <Code>{entry.action}</Code>
            </span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
