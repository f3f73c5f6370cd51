import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Pause, Play, Undo2 } from 'lucide-react';
import { useState } from 'react';
import type { Rollout } from '@serin/protocol/api/resources';
import { errorCatalogue, isErrorCode } from '@serin/protocol/errors';
import { api } from '../data/api.ts';
import { rememberRollout, useAction } from '../data/actions.ts';
import { rolloutQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { formatClock, formatDate, humanise, plural, sentence } from '../domain/format.ts';
import { actionsOf, devicesRolledBack, isLive, memberTone, rolloutLabel, rolloutTone, type RolloutAction } from '../domain/rollout-view.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Elapsed } from '../ui/time.tsx';
import { RolloutEvidence } from './rollout-evidence.tsx';
import { RolloutStatusBadge, StageLine, VersionChange } from './rollout-parts.tsx';

const route = getRouteApi('/shell/rollouts/$id');

/** The page a decision is made on: where it stands, what the evidence says, and what each button changes. */
export function RolloutPage() {
  const { id } = route.useParams();
  const { data: rollout, error } = useQuery(rolloutQuery(id));
  if (error !== null && rollout === undefined) throw error;
  if (rollout === undefined) {
    return (
      <Page title="Rollout">
        <Skeleton className="h-96" />
      </Page>
    );
  }
  return (
    <div className="flex min-h-[calc(100dvh-3.25rem-4rem)] flex-col sm:min-h-[calc(100dvh-3.25rem)]">
      <Page
        name={`${rollout.model} v${rollout.version}`}
        title={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Link to="/models" search={{ model: rollout.model, version: rollout.version }} className="hover:underline">
              {rollout.model}
            </Link>
            <VersionChange rollout={rollout} className="text-base font-medium" />
            <RolloutStatusBadge rollout={rollout} />
          </span>
        }
        note={
          <>
            Started {formatDate(rollout.createdAt)} by {rollout.createdBy}, {isLive(rollout) ? 'running for' : 'took'}{' '}
            <Elapsed since={rollout.createdAt} until={rollout.finishedAt} />
          </>
        }
      >
        <Panel aria-label="Stages" className="flex flex-col gap-4 p-4">
          <StageLine rollout={rollout} tall />
          <p className="text-base" data-testid="rollout-words">
            {sentence(rollout.words)}
          </p>
          {rollout.reason !== null && !rollout.words.includes(rollout.reason) && <p className="text-sm text-ink-2">{sentence(rollout.reason)}</p>}
        </Panel>
        <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_24rem]">
          <div className="flex min-w-0 flex-col gap-5">
            <RolloutEvidence rollout={rollout} />
            <Members rollout={rollout} />
          </div>
          <History rollout={rollout} />
        </div>
      </Page>
      <ActionBar rollout={rollout} />
    </div>
  );
}

function Members({ rollout }: { rollout: Rollout }) {
  return (
    <Panel aria-labelledby="members">
      <PanelHead id="members" title="Devices" note={plural(rollout.members.length, 'member')} />
      {rollout.members.length === 0 && <Empty title="No device has been given the version yet" />}
      <ul className={cn('grid', rollout.members.length > 2 && 'sm:grid-cols-2 xl:grid-cols-3')}>
        {rollout.members
          .toSorted((one, other) => one.stage - other.stage || one.device.localeCompare(other.device, 'en', { numeric: true }))
          .map((member) => (
            <li key={member.device} className="flex min-w-0 flex-wrap content-start items-center gap-x-2 gap-y-0.5 px-4 py-2 text-sm">
              <Link to="/devices/$id" params={{ id: member.device }} className="min-w-0 truncate hover:underline">
                {member.device}
              </Link>
              {member.stage === 0 && rollout.stages.length > 1 && <Badge tone="canary">Canary</Badge>}
              <Badge tone={memberTone(member.outcome)} className="ml-auto">
                {humanise(member.outcome)}
              </Badge>
              {member.code !== null && (
                <p className="w-full text-xs text-ink-3">
                  {isErrorCode(member.code) ? `${errorCatalogue[member.code].message}. ` : ''}
                  <Code>{member.code}</Code>
                </p>
              )}
            </li>
          ))}
      </ul>
    </Panel>
  );
}

const dots = { ok: 'bg-ok', info: 'bg-info', warn: 'bg-warn', bad: 'bg-bad', idle: 'bg-idle' } as const;

function History({ rollout }: { rollout: Rollout }) {
  return (
    <Panel aria-labelledby="history">
      <PanelHead id="history" title="History" />
      <ol className="flex flex-col px-4 py-3">
        {rollout.history.toReversed().map((entry, index, all) => (
          <li key={`${entry.at} ${entry.status} ${String(all.length - index)}`} className="relative flex gap-3 pb-4 last:pb-0">
            {index < all.length - 1 && <span aria-hidden className="absolute top-4 bottom-0 left-[3.5px] w-px bg-line" />}
            <span aria-hidden className={cn('mt-1.5 size-2 shrink-0 rounded-full', dots[rolloutTone[entry.status]])} />
            <div className="min-w-0">
              <p className="text-xs text-ink-3">
                <span className="font-medium text-ink-2">{rolloutLabel[entry.status]}</span>{' '}
                <time dateTime={new Date(entry.at).toISOString()}>{formatClock(entry.at)}</time>
              </p>
              <p className="text-sm break-words">{sentence(entry.words)}</p>
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

/** Always in sight while there is something to decide; says exactly which devices a button changes. */
function ActionBar({ rollout }: { rollout: Rollout }) {
  const actions = actionsOf(rollout.status);
  const [asking, setAsking] = useState(false);
  const refusal = useRefusal('abortRollout');
  const act = useAction<RolloutAction, RolloutAction>(
    (name) => api(name, { params: { id: rollout.id } }),
    (reply, client) => {
      rememberRollout(reply, client);
      setAsking(false);
    },
  );
  if (actions.length === 0) return null;
  const back = devicesRolledBack(rollout);
  const target = rollout.previous === null ? 'no version' : `v${rollout.previous}`;
  return (
    <div className="sticky bottom-16 z-10 mt-auto border-t border-line bg-page/92 backdrop-blur-sm sm:bottom-0">
      <div className="mx-auto flex max-w-[92rem] flex-wrap items-center gap-2 px-4 py-3 sm:px-6 lg:px-8">
        <p className="mr-auto text-sm text-ink-2">
          Rolling back returns {plural(back.length, 'device')} to {target}
          {back.length > 0 && back.length <= 3 && <span className="text-ink-3">: {back.join(', ')}</span>}
        </p>
        {actions.includes('pauseRollout') && (
          <Button
            refusal={refusal}
            busy={act.isPending && act.variables === 'pauseRollout'}
            icon={<Pause className="size-4" aria-hidden />}
            onClick={() => act.mutate('pauseRollout')}
          >
            Pause
          </Button>
        )}
        {actions.includes('resumeRollout') && (
          <Button
            kind="primary"
            refusal={refusal}
            busy={act.isPending && act.variables === 'resumeRollout'}
            icon={<Play className="size-4" aria-hidden />}
            onClick={() => act.mutate('resumeRollout')}
          >
            Resume
          </Button>
        )}
        <Button kind="danger" refusal={refusal} icon={<Undo2 className="size-4" aria-hidden />} onClick={() => setAsking(true)}>
          Roll back
        </Button>
      </div>
      <Dialog
        open={asking}
        onClose={() => setAsking(false)}
        title={`Roll back ${rollout.model} v${rollout.version}?`}
        description={`${plural(back.length, 'device')} will go back to ${target}, from the copy they kept: nothing is downloaded.`}
      >
        <DialogBody>
          <ul className="columns-2 text-sm text-ink-2">
            {back.map((device) => (
              <li key={device} className="truncate">
                {device}
              </li>
            ))}
          </ul>
        </DialogBody>
        <DialogActions>
          <Button onClick={() => setAsking(false)}>Keep going</Button>
          <Button kind="danger" busy={act.isPending && act.variables === 'abortRollout'} onClick={() => act.mutate('abortRollout')}>
            Roll back {plural(back.length, 'device')}
          </Button>
        </DialogActions>
      </Dialog>
    </div>
  );
}
