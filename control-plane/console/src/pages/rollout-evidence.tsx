import type { Rollout, RolloutVerdict } from '@serin/protocol/api/resources';
import { DifferenceChart } from '../charts/difference-chart.tsx';
import { formatCount, formatEvidence, formatNumber, formatPercent, formatPoints, sentence } from '../domain/format.ts';
import { evidenceShare, evidenceWords, isLive } from '../domain/rollout-view.ts';
import { Badge } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { Empty, Panel, PanelHead } from '../ui/panel.tsx';

const verdictLabel = { good: 'Safe', bad: 'Worse', pending: 'Not enough data' } as const;
const verdictTone = { good: 'ok', bad: 'bad', pending: 'idle' } as const;

/** Canary against control on the share of bad frames, live: the figures, the interval, and what the judge says. */
export function RolloutEvidence({ rollout }: { rollout: Rollout }) {
  const { verdict } = rollout;
  const unseen = verdict !== null && verdict.canaryFrames === 0 && !isLive(rollout);
  return (
    <Panel aria-labelledby="evidence">
      <PanelHead id="evidence" title="Bad frames, canary minus control">
        {verdict !== null && !unseen && <Badge tone={verdictTone[verdict.state]}>{verdictLabel[verdict.state]}</Badge>}
      </PanelHead>
      {verdict === null ? (
        <Empty title="No comparison in this stage">The judge begins when a canary runs the version beside devices that do not.</Empty>
      ) : unseen ? (
        <Empty title="Nothing to compare">It ended before the version answered a frame on any device.</Empty>
      ) : (
        <Verdict verdict={verdict} live={isLive(rollout)} />
      )}
    </Panel>
  );
}

function Verdict({ verdict, live }: { verdict: RolloutVerdict; live: boolean }) {
  const { canaryBad, controlBad, interval } = verdict;
  const difference = canaryBad === null || controlBad === null ? null : canaryBad - controlBad;
  return (
    <div className="flex flex-col gap-5 p-4">
      <p className="text-sm" data-testid="rollout-verdict">
        {sentence(verdict.words)}
      </p>
      <dl className="grid grid-cols-3 gap-4">
        <Arm name="Canary" color="bg-canary" share={canaryBad} frames={verdict.canaryFrames} needed={verdict.state === 'pending' ? verdict.framesNeeded : 0} />
        <Arm name="Control" color="bg-reference" share={controlBad} frames={verdict.controlFrames} />
        <div>
          <dt className="text-xs text-ink-2">Difference</dt>
          <dd className="mt-1 text-xl font-semibold tracking-[-0.01em]">{formatPoints(difference)}</dd>
          <dd className="text-xs text-ink-3">{interval === null ? 'no interval yet' : `${formatPoints(interval[0])} to ${formatPoints(interval[1])}`}</dd>
        </div>
      </dl>
      <div>
        <DifferenceChart label="Bad frames, canary minus control" interval={interval} difference={difference} />
        <p className="flex justify-between text-2xs text-ink-3">
          <span>canary better</span>
          <span>canary worse</span>
        </p>
      </div>
      <div className="grid gap-4 sm:grid-cols-2">
        <Evidence
          name="Evidence that it is safe"
          note={evidenceWords(verdict, 'safe', live)}
          eValue={verdict.eNotWorse}
          threshold={verdict.threshold}
          tone="bg-ok"
        />
        <Evidence
          name="Evidence that it is worse"
          note={evidenceWords(verdict, 'worse', live)}
          eValue={verdict.eWorse}
          threshold={verdict.threshold}
          tone="bg-bad-fill"
        />
      </div>
    </div>
  );
}

function Arm({ name, color, share, frames, needed }: { name: string; color: string; share: number | null; frames: number; needed?: number }) {
  return (
    <div>
      <dt className="flex items-center gap-1.5 text-xs text-ink-2">
        <span className={cn('size-2 rounded-xs', color)} aria-hidden />
        {name}
      </dt>
      <dd className="mt-1 text-xl font-semibold tracking-[-0.01em]">{formatPercent(share)}</dd>
      <dd className="text-xs text-ink-3">
        n = {formatCount(frames)}
        {needed !== undefined && needed > 0 && frames < needed && ` of ${formatCount(needed)}`}
      </dd>
    </div>
  );
}

function Evidence({ name, note, eValue, threshold, tone }: { name: string; note: string; eValue: number; threshold: number; tone: string }) {
  const share = evidenceShare(eValue, threshold);
  return (
    <div>
      <p className="flex items-baseline justify-between gap-3 text-xs">
        <span className="text-ink-2">{name}</span>
        <span className="font-medium">
          {formatEvidence(eValue)} <span className="font-normal text-ink-3">of {formatNumber(threshold)}</span>
        </span>
      </p>
      <div
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
        aria-valuetext={`${formatEvidence(eValue)} of ${formatNumber(threshold)}`}
        className="mt-1.5 h-1.5 overflow-hidden rounded-full bg-line"
      >
        <div className={cn('h-full rounded-full transition-[width] duration-300', tone)} style={{ width: `${share * 100}%` }} />
      </div>
      <p className="mt-1 text-2xs text-ink-3">{note}</p>
    </div>
  );
}
