import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { useState } from 'react';
import type { Device, ModelVersion } from '@serin/protocol/api/resources';
import { api } from '../data/api.ts';
import { rememberRollout, useAction } from '../data/actions.ts';
import { devicesQuery, rolloutsQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { devicesChangedBy } from '../domain/device-health.ts';
import { plural } from '../domain/format.ts';
import { isLive } from '../domain/rollout-view.ts';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';

const strategies = [
  { value: 'canary', label: 'One device first', note: 'The rest follow when its windows are good; it goes back by itself when they are not.' },
  { value: 'all-at-once', label: 'All at once', note: 'No comparison is made. For a fleet that runs nothing yet.' },
] as const;
type Strategy = (typeof strategies)[number]['value'];

const namedMost = 24;

/** The button, and the dialog that says which devices change before anything does. */
export function StartRollout({ version }: { version: ModelVersion }) {
  const [asking, setAsking] = useState(false);
  const [strategy, setStrategy] = useState<Strategy>('canary');
  const navigate = useNavigate();
  const denied = useRefusal('startRollout');
  const { data: devices = [] } = useQuery(devicesQuery);
  const { data: rollouts = [] } = useQuery(rolloutsQuery);
  const active = rollouts.find((rollout) => isLive(rollout) && rollout.model === version.model);
  const changed = devicesChangedBy(devices, version.model, version.version);
  const start = useAction<Strategy, 'startRollout'>(
    (chosen) => api('startRollout', { body: { model: version.model, version: version.version, strategy: chosen } }),
    (rollout, client) => {
      rememberRollout(rollout, client);
      void navigate({ to: '/rollouts/$id', params: { id: rollout.id } });
    },
  );
  const refusal =
    denied ??
    (active?.version === version.version ? 'This version is being rolled out now' : changed.length === 0 ? 'Every device runs this version already' : null);
  return (
    <>
      <Button kind="primary" refusal={refusal} icon={<Rocket className="size-4" aria-hidden />} onClick={() => setAsking(true)} className="self-start">
        Roll out v{version.version}
      </Button>
      <Dialog
        wide
        open={asking}
        onClose={() => setAsking(false)}
        title={`Roll out ${version.model} v${version.version}?`}
        description={`${plural(changed.length, 'device')} of ${devices.length} will change. Frames keep flowing during the swap.`}
      >
        <DialogBody className="flex flex-col gap-5">
          {active !== undefined && (
            <p className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">The rollout of v{active.version} is under way; this one takes its place.</p>
          )}
          {version.gate?.passed === false && <p className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">This version did not pass its gate.</p>}
          <fieldset className="grid gap-2 sm:grid-cols-2">
            <legend className="eyebrow mb-2">How</legend>
            {strategies.map(({ value, label, note }) => (
              <label
                key={value}
                className="flex cursor-pointer items-start gap-2.5 rounded-md border border-line p-3 has-checked:border-ink has-checked:bg-hover"
              >
                <input
                  type="radio"
                  name="strategy"
                  value={value}
                  checked={strategy === value}
                  onChange={() => setStrategy(value)}
                  className="mt-1 accent-(--ink)"
                />
                <span className="text-sm font-medium">
                  {label}
                  <span className="block text-xs font-normal text-ink-2">{note}</span>
                </span>
              </label>
            ))}
          </fieldset>
          <ChangedDevices devices={changed} model={version.model} version={version.version} />
        </DialogBody>
        <DialogActions>
          <Button onClick={() => setAsking(false)}>Not now</Button>
          <Button kind="primary" busy={start.isPending} onClick={() => start.mutate(strategy)}>
            Roll out to {plural(changed.length, 'device')}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}

function ChangedDevices({ devices, model, version }: { devices: readonly Device[]; model: string; version: number }) {
  return (
    <section aria-label="Devices that change">
      <h3 className="eyebrow mb-2">Devices that change</h3>
      <ul className="grid gap-x-6 gap-y-1 sm:grid-cols-2">
        {devices.slice(0, namedMost).map((device) => (
          <li key={device.id} className="flex items-baseline gap-2 text-sm">
            <span className="min-w-0 flex-1 truncate">{device.id}</span>
            {!device.online && <span className="text-xs text-ink-3">offline, later</span>}
            <span className="font-mono text-xs text-ink-2">{`${versionOf(device, model)} → v${version}`}</span>
          </li>
        ))}
      </ul>
      {devices.length > namedMost && <p className="mt-1 text-xs text-ink-3">and {plural(devices.length - namedMost, 'more', 'more')}</p>}
    </section>
  );
}

function versionOf(device: Device, model: string): string {
  const version = device.models.find((entry) => entry.model === model)?.version ?? null;
  return version === null ? 'none' : `v${version}`;
}
