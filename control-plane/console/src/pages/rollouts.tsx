import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { rolloutsQuery } from '../data/queries.ts';
import { plural } from '../domain/format.ts';
import { isLive } from '../domain/rollout-view.ts';
import { buttonClass } from '../ui/button.tsx';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { RolloutSummary } from './rollout-parts.tsx';

const route = getRouteApi('/shell/rollouts');

export function RolloutsPage() {
  const { show } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: rollouts } = useQuery(rolloutsQuery);
  const live = rollouts?.filter(isLive) ?? [];
  const ended = rollouts?.filter((rollout) => !isLive(rollout)) ?? [];
  return (
    <Page
      title="Rollouts"
      note={rollouts === undefined ? 'Loading…' : `${plural(live.length, 'active', 'active')}, ${plural(ended.length, 'ended', 'ended')}`}
      actions={
        <Segmented
          label="Show"
          value={show ?? 'all'}
          options={[
            { value: 'all', label: 'All' },
            { value: 'live', label: 'Active' },
            { value: 'ended', label: 'Ended' },
          ]}
          onChange={(next) => void navigate({ search: next === 'all' ? {} : { show: next }, replace: true })}
        />
      }
    >
      {rollouts === undefined && <Skeleton className="h-64" />}
      {rollouts?.length === 0 && (
        <Panel>
          <Empty
            title="Nothing has been rolled out yet"
            action={
              <Link to="/models" className={buttonClass('primary')}>
                Choose a version
              </Link>
            }
          >
            A rollout begins on one device and goes on when its windows are good.
          </Empty>
        </Panel>
      )}
      {show !== 'ended' && live.length > 0 && (
        <section aria-label="Active rollouts" className="grid gap-4 xl:grid-cols-2">
          {live.map((rollout) => (
            <Panel key={rollout.id}>
              <RolloutSummary rollout={rollout} />
            </Panel>
          ))}
        </section>
      )}
      {show === 'live' && rollouts !== undefined && live.length === 0 && (
        <Panel>
          <Empty title="No rollout is active">The fleet is where its last rollout left it.</Empty>
        </Panel>
      )}
      {show !== 'live' && ended.length > 0 && (
        <Panel aria-labelledby="ended">
          <PanelHead id="ended" title="Ended" note={plural(ended.length, 'rollout')} />
          <ul className="divide-y divide-line">
            {ended.map((rollout) => (
              <li key={rollout.id}>
                <RolloutSummary rollout={rollout} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </Page>
  );
}
