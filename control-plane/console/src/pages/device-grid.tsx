import { Link } from '@tanstack/react-router';
import type { Device } from '@serin/protocol/api/resources';
import { countHealth, groupBySite, healthLabel, healthOrder, type Health, type SiteGroup } from '../domain/device-health.ts';
import type { StateFilter } from '../domain/device-table.ts';
import { formatCount, plural } from '../domain/format.ts';
import { HealthMark } from '../ui/health-mark.tsx';
import { DeviceCell, DeviceDot } from './device-cell.tsx';

/** "Online" as a filter means connected, as it does on the command line; the shape means connected and well. */
const filterOf = (health: Health): StateFilter => (health === 'online' ? 'healthy' : health);

const cellsMost = 240;
const dotsMost = 2000;

/** Grouped by site; cells, then dots, then counts as the fleet grows. */
export function DeviceGrid({ devices, canaries }: { devices: readonly Device[]; canaries: ReadonlySet<string> }) {
  const groups = groupBySite(devices);
  return (
    <div className="flex flex-col gap-5 p-4">
      {groups.map((group) => (
        <div key={group.site} role="group" aria-label={`Site ${group.site}`} className="flex flex-col gap-2">
          <div className="flex items-baseline gap-2">
            <h3 className="text-xs font-medium text-ink-2">{group.site === '' ? 'No site' : group.site}</h3>
            <span className="text-2xs text-ink-3">{plural(group.devices.length, 'device')}</span>
          </div>
          {devices.length <= cellsMost && (
            <div className="grid grid-cols-[repeat(auto-fill,minmax(min(9.5rem,100%),1fr))] sm:grid-cols-[repeat(auto-fill,minmax(min(10.75rem,100%),1fr))] gap-2">
              {group.devices.map((device) => (
                <DeviceCell key={device.id} device={device} canary={canaries.has(device.id)} />
              ))}
            </div>
          )}
          {devices.length > cellsMost && devices.length <= dotsMost && (
            <div className="flex flex-wrap gap-1">
              {group.devices.map((device) => (
                <DeviceDot key={device.id} device={device} />
              ))}
            </div>
          )}
          {devices.length > dotsMost && <SiteTotals group={group} />}
        </div>
      ))}
    </div>
  );
}

function SiteTotals({ group }: { group: SiteGroup }) {
  const counts = countHealth(group.devices);
  return (
    <div className="flex flex-wrap gap-x-5 gap-y-1 rounded-md border border-line px-3 py-2">
      {healthOrder
        .filter((health) => counts[health] > 0)
        .map((health) => (
          <Link
            key={health}
            to="/devices"
            search={{ site: group.site, state: filterOf(health) }}
            className="inline-flex items-center gap-2 text-xs hover:underline"
          >
            <HealthMark health={health} label={false} />
            {formatCount(counts[health])} {healthLabel[health].toLowerCase()}
          </Link>
        ))}
    </div>
  );
}

/** What the shapes mean, how many there are, and a way to exactly those. */
export function HealthLegend({ devices }: { devices: readonly Device[] }) {
  const counts = countHealth(devices);
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1" aria-label="Devices by state">
      {healthOrder
        .filter((health) => counts[health] > 0 || health === 'online')
        .map((health) => (
          <li key={health}>
            <Link to="/devices" search={{ state: filterOf(health) }} className="inline-flex items-center gap-1.5 text-xs text-ink-2 hover:text-ink">
              <HealthMark health={health} label={false} />
              {healthLabel[health]}
              <span className="font-medium text-ink">{formatCount(counts[health])}</span>
            </Link>
          </li>
        ))}
    </ul>
  );
}
