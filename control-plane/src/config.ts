import path from 'node:path';
import { fleetId, type FleetId } from '@serin/protocol/ids';
import type { RolloutPolicy } from '@serin/protocol/rollout/states';
import type { CanaryRule } from '@serin/stats/canary';
import type { DriftRule } from '@serin/stats/drift-detector';
import {
  address,
  choice,
  decimal,
  listOf,
  optional,
  readSettings,
  settingsDocs,
  settingsHelp,
  text,
  wholeNumber,
  yesOrNo,
  type ConfigOf,
  type Setting,
  type SettingKind,
  type SettingTable,
} from './settings.ts';

const host = text('a host name or an IP address', /^[A-Za-z0-9.:_-]{1,253}$/);
const port = wholeNumber(0, 65_535);
const durationMs = wholeNumber(100, 365 * 24 * 3_600_000);
const folder: SettingKind<string> = { rule: 'a path', read: (value) => (value === '' || value.includes('\0') ? undefined : path.resolve(value)) };
const fleet: SettingKind<FleetId> = {
  rule: 'lower-case letters, digits, - and _, beginning with a letter or digit',
  read: (value) => fleetId.safeParse(value).data,
};

const usually = <Value>(value: Value): { words: string; value: () => Value } => ({ words: String(value), value: () => value });
const unset = { words: 'not set', value: () => undefined };
const setting = <Value>(
  group: string,
  kind: SettingKind<Value>,
  usual: Setting<Value>['usual'],
  about: string,
  more: Pick<Setting<Value>, 'env' | 'isSecret'> = {},
): Setting<Value> => ({
  group,
  kind,
  usual,
  about,
  ...more,
});
/** Clocks of rollouts follow the length of a window, so that a demo's hour is a minute everywhere at once. */
const windows = (count: number, leastMs: number): Setting<number>['usual'] => ({
  words: `${count} windows, at least ${leastMs / 1000} s`,
  value: (config) => Math.max(leastMs, count * Number(config.windowMs)),
});

const [places, listeners, parts, data, evidence, rollouts, retention, work] = [
  'Places',
  'Listeners',
  'External parts',
  'Data and its sources',
  'Evidence and drift',
  'Rollouts',
  'Retention',
  'Work',
] as const;

/** Every setting of the server, once: environment, flags, --help and docs/config.md come from here. */
const table = {
  data: setting(places, folder, { words: '`.serin/server`', value: () => path.resolve('.serin', 'server') }, 'Data folder: keys, blobs, the embedded database'),
  fleet: setting(
    places,
    fleet,
    { words: 'fleet-1', value: () => fleetId.parse('fleet-1') },
    'Name of the fleet; part of everything that is signed, so it cannot change later',
  ),
  logLevel: setting(
    places,
    choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    usually('info' as const),
    'Least severe event that is logged',
  ),

  httpHost: setting(listeners, host, usually('127.0.0.1'), 'Console and API; plain HTTP, so loopback only unless --insecure'),
  httpPort: setting(listeners, port, usually(8080), 'Port of the console and the API; 0 picks a free one'),
  publicUrl: setting(
    listeners,
    optional(address(['http', 'https'])),
    unset,
    'Address of the console as browsers see it, where a reverse proxy stands before it',
  ),
  deviceHost: setting(listeners, host, usually('127.0.0.1'), 'Devices join and renew here, over HTTPS; 0.0.0.0 to serve a network'),
  devicePort: setting(listeners, port, usually(8443), 'Port for devices; 0 picks a free one'),
  mqttHost: setting(listeners, host, usually('127.0.0.1'), 'The embedded broker, MQTT with TLS on both sides; 0.0.0.0 to serve a network'),
  mqttPort: setting(listeners, port, usually(8883), 'Port of the embedded broker; 0 picks a free one'),
  publicHosts: setting(
    listeners,
    listOf(host),
    { words: 'none', value: (): readonly string[] => [] },
    'Names and addresses under which devices reach this server; the first is told to them, all are in its certificate',
  ),
  insecure: setting(listeners, yesOrNo, usually(false), 'Allow plain HTTP and plain MQTT outside this machine'),

  databaseUrl: setting(parts, optional(address(['postgres', 'postgresql'])), unset, 'PostgreSQL 15 or newer instead of the embedded database', {
    env: 'DATABASE_URL',
    isSecret: true,
  }),
  databaseWaitMs: setting(parts, wholeNumber(0, 3_600_000), usually(60_000), 'How long a start waits for a PostgreSQL that does not answer, in ms'),
  mqttUrl: setting(parts, optional(address(['mqtt', 'mqtts'])), unset, 'A broker of your own instead of the embedded one', { env: 'MQTT_URL', isSecret: true }),
  mqttPublicUrl: setting(
    parts,
    optional(address(['mqtt', 'mqtts'])),
    { words: 'the broker in use', value: () => undefined },
    'Address of the broker that devices are told',
  ),

  sourceFolders: setting(
    data,
    listOf(text('an absolute path', /^\/[^\0]*$|^[A-Za-z]:[\\/]/)),
    { words: 'none', value: (): readonly string[] => [] },
    'Folders of this machine that sources may read, with all below them',
  ),
  sourcePrivateUrls: setting(data, yesOrNo, usually(false), 'Sources may read addresses of this machine and of private networks'),
  sourceStallMs: setting(
    data,
    wholeNumber(100, 600_000),
    usually(30_000),
    'How long a source may send nothing before it is asked again, five times at most, in ms',
  ),
  sourceMb: setting(data, wholeNumber(1, 1_000_000), usually(10_240), 'Most that one read of a source may bring, in MB'),

  windowMs: setting(evidence, wholeNumber(500, 3_600_000), usually(60_000), 'Length of a telemetry window, in ms'),
  samplesPerWindow: setting(
    evidence,
    wholeNumber(0, 64),
    usually(0),
    'Random frames a device always sends along with each window, for labelling; 0 sends none',
  ),
  referenceFrames: setting(
    evidence,
    wholeNumber(20, 10_000),
    usually(100),
    'Frames of a reference window; live windows are put together until they have as many',
  ),
  driftThreshold: setting(
    evidence,
    wholeNumber(10, 10_000_000),
    usually(8640),
    'Windows between false drift alarms of one statistic of one device, on average and at least',
  ),
  driftEffect: setting(evidence, decimal(0, 10), usually(0.1), 'Least corrected PSI worth an alert'),
  driftClearWindows: setting(evidence, wholeNumber(1, 1000), usually(3), 'Calm windows that clear an alert'),
  retrainOnDrift: setting(evidence, yesOrNo, usually(true), 'A drift alert starts a retraining on the labelled frames'),

  retrainSamples: setting(evidence, wholeNumber(10, 2000), usually(200), 'Labelled frames collected before a retraining begins'),
  retrainSamplesPerWindow: setting(evidence, wholeNumber(1, 64), usually(8), 'Frames a device sends along with each window while they are collected'),
  retrainCollectMs: setting(evidence, durationMs, windows(120, 120_000), 'Collecting gives up after this'),

  rolloutApproval: setting(rollouts, yesOrNo, usually(false), 'A person approves before the first device gets a version'),
  rolloutAlpha: setting(rollouts, decimal(0.0001, 0.5), usually(0.05), 'Chance of a wrong decision of the judge, for each of its two decisions'),
  rolloutDelta: setting(rollouts, decimal(0, 1), usually(0.02), 'Excess share of bad frames that is tolerated'),
  rolloutMargin: setting(rollouts, decimal(0.001, 1), usually(0.1), 'Excess share that would be too much: promotion needs proof that it is less'),
  rolloutMinFrames: setting(rollouts, wholeNumber(1, 100_000_000), usually(100), 'Canary frames without which nothing is promoted'),
  rolloutBakeMs: setting(rollouts, durationMs, windows(5, 1_000), 'A stage is judged no sooner'),
  rolloutEvidenceLimitMs: setting(rollouts, durationMs, windows(1440, 60_000), 'A stage without enough evidence pauses after this'),
  rolloutDispatchLimitMs: setting(rollouts, durationMs, windows(120, 120_000), 'Devices of a stage settle within this, or the rollout pauses'),
  rolloutInstallLimitMs: setting(rollouts, durationMs, windows(30, 90_000), 'A connected device installs within this'),
  rolloutRollbackLimitMs: setting(rollouts, durationMs, windows(60, 90_000), 'Devices go back within this'),
  lostAfterMs: setting(rollouts, durationMs, windows(15, 15_000), 'Silence after which a device counts as lost'),
  usualInstallFailures: setting(rollouts, decimal(0.0001, 0.9), usually(0.05), 'Share of installs that fail anyway'),

  windowDays: setting(retention, wholeNumber(1, 3650), usually(30), 'Days that telemetry windows are kept'),
  windowRows: setting(retention, wholeNumber(1000, 1_000_000_000), usually(5_000_000), 'Most telemetry windows kept'),
  sampleDays: setting(retention, wholeNumber(1, 3650), usually(30), 'Days that frames are kept'),
  sampleRows: setting(retention, wholeNumber(100, 100_000_000), usually(5_000), 'Most frames kept: one of the demo takes 48 KiB'),
  jobDays: setting(retention, wholeNumber(1, 3650), usually(90), 'Days that finished jobs are kept'),
  runDays: setting(retention, wholeNumber(1, 36_500), usually(365), 'Days that runs are kept; those of versions that exist stay'),
  runRows: setting(retention, wholeNumber(10, 1_000_000), usually(10_000), 'Most runs kept, beside those of versions that exist'),
  uploadHours: setting(
    retention,
    wholeNumber(1, 8760),
    usually(24),
    'Hours after which a file that has not come whole, and that nobody goes on sending, is forgotten',
  ),

  jobWorkers: setting(work, wholeNumber(0, 16), usually(1), 'Jobs run at once by this process; 0 leaves them to other servers on the same database'),
  jobThreads: setting(work, wholeNumber(0, 256), { words: '0: one less than there are cores', value: () => 0 }, 'Threads of one training'),
  jobHeapMb: setting(work, wholeNumber(128, 65_536), usually(1024), 'Heap limit of a job process, in MB'),
  searchTrialsAtOnce: setting(work, wholeNumber(1, 64), usually(4), 'Trials of one search that wait or run at once, over all servers'),
  pipelineCacheMb: setting(work, wholeNumber(64, 10_000_000), usually(4096), 'Limit of what pipelines keep of their stages to not do them again, in MB'),
  demo: setting(work, yesOrNo, usually(false), 'Offer the demo controls: change the light, publish bad versions'),
  demoScene: setting(work, optional(folder), unset, 'File with the light of the demo hall; synthetic cameras read it'),
} satisfies SettingTable;

type Raw = ConfigOf<typeof table>;

export type Config = Raw & { readonly canaryRule: CanaryRule; readonly driftRule: DriftRule; readonly rolloutPolicy: RolloutPolicy };

const minuteMs = 60_000;

/** The settings of this start, frozen. Throws CONFIG_INVALID. */
export function readConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const raw = readSettings(table, args, env);
  return Object.freeze({
    ...raw,
    canaryRule: { alpha: raw.rolloutAlpha, delta: raw.rolloutDelta, margin: raw.rolloutMargin, minFrames: raw.rolloutMinFrames },
    driftRule: { threshold: raw.driftThreshold, effectMin: raw.driftEffect, clearWindows: raw.driftClearWindows },
    rolloutPolicy: {
      approval: raw.rolloutApproval,
      dispatchLimitMs: raw.rolloutDispatchLimitMs,
      installLimitMs: raw.rolloutInstallLimitMs,
      lostAfterMs: raw.lostAfterMs,
      bakeMs: raw.rolloutBakeMs,
      evidenceLimitMs: raw.rolloutEvidenceLimitMs,
      rollbackLimitMs: raw.rolloutRollbackLimitMs,
      gapLimitMs: minuteMs,
      usualInstallFailures: raw.usualInstallFailures,
    },
  });
}

export const configHelp = (): string => `usage: npm run serve -- [settings]
       npm run serve -- mosquitto-config --out DIR [settings]

The control plane: console and API, device listener, broker, database and jobs in one process.
mosquitto-config writes the configuration, the access list and the certificates for a Mosquitto broker.

${settingsHelp(table)}
`;

export const configDocs = (): string => `# Settings of the control plane

Flags come before the environment. An unknown or malformed setting stops the start with one line and exit code 2.
This page is made from the settings themselves; a test keeps the two equal.

${settingsDocs(table)}`;
