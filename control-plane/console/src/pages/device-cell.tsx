import { Link } from '@tanstack/react-router';
import type { Device } from '@serin/protocol/api/resources';
import { deviceHealth, healthLabel, type Health } from '../domain/device-health.ts';
import { formatMs, formatRate } from '../domain/format.ts';
import { SyntheticTag } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { HealthMark } from '../ui/health-mark.tsx';

const edge: Record<Health, string> = {
  failed: 'border-bad/45 bg-bad-soft/70',
  degraded: 'border-bad/45 bg-bad-soft/70',
  drifting: 'border-warn/40 bg-warn-soft/70',
  updating: 'border-info/40 bg-info-soft/70',
  empty: 'border-line bg-surface',
  online: 'border-line bg-surface',
  offline: 'border-dashed border-line-strong bg-sunken',
  revoked: 'border-dashed border-line-strong bg-sunken',
};

function hooks(device: Device, health: Health) {
  return { 'data-testid': `device-${device.id}`, 'data-version': device.models[0]?.version ?? '', 'data-state': health };
}

const quietWords = (health: Health): string => (health === 'online' ? 'no frame yet' : healthLabel[health].toLowerCase());

/** A device as a cell: state by colour and shape, what it runs, how fast. */
export function DeviceCell({ device, canary }: { device: Device; canary: boolean }) {
  const health = deviceHealth(device);
  const model = device.models[0];
  const moving = model !== undefined && model.desiredVersion !== null && model.desiredVersion !== model.version;
  const quiet = health === 'offline' || health === 'revoked' || device.live === null;
  return (
    <Link
      to="/devices/$id"
      params={{ id: device.id }}
      {...hooks(device, health)}
      className={cn(
        'relative flex min-w-0 flex-col gap-1.5 overflow-hidden rounded-md border px-2.5 py-2 transition-colors hover:border-line-strong',
        edge[health],
      )}
    >
      <span className="flex items-center gap-2">
        <HealthMark health={health} />
        <span className="min-w-0 flex-1 truncate text-xs font-medium">{device.id}</span>
        {device.synthetic && <SyntheticTag />}
      </span>
      <span className="flex items-baseline gap-1.5">
        <span className={cn('rounded-xs font-mono text-xs', canary ? 'bg-canary px-1 text-canary-ink' : 'text-ink')}>
          {model?.version == null ? '' : `v${model.version}`}
        </span>
        {moving && <span className="font-mono text-xs text-ink-2">→ v{model.desiredVersion}</span>}
        {canary && <span className="sr-only">canary</span>}
        <span className="ml-auto text-2xs text-ink-2 tabular-nums">
          {quiet ? (
            quietWords(health)
          ) : (
            <>
              {formatRate(device.live?.inferencesPerS)}/s<span className="max-sm:hidden"> · {formatMs(device.live?.p95Ms)}</span>
            </>
          )}
        </span>
      </span>
      {model !== undefined && model.progress !== null && model.phase !== 'IDLE' && (
        <span
          aria-hidden
          className="absolute inset-x-0 bottom-0 h-0.5 origin-left bg-info transition-transform duration-300"
          style={{ transform: `scaleX(${model.progress})` }}
        />
      )}
    </Link>
  );
}

/** The same in little: for fleets of hundreds. */
export function DeviceDot({ device }: { device: Device }) {
  const health = deviceHealth(device);
  const words = `${device.id}: ${healthLabel[health]}, version ${device.models[0]?.version ?? 'none'}`;
  return (
    <Link
      to="/devices/$id"
      params={{ id: device.id }}
      {...hooks(device, health)}
      aria-label={words}
      title={words}
      className={cn('inline-flex size-6 items-center justify-center rounded-xs border', edge[health])}
    >
      <HealthMark health={health} label={false} />
    </Link>
  );
}
