import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { RunDetail } from '@serin/protocol/api/runs';
import { environmentQuery } from '../data/data-queries.ts';
import { formatBytes, formatCount, humanise, plural, sentence } from '../domain/format.ts';
import { shortDigest } from '../domain/run-view.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { CopyLine } from '../ui/copy-line.tsx';
import { Fact, Facts, Panel, PanelHead } from '../ui/panel.tsx';
import { DataLink } from './run-parts.tsx';

/** What a run was made of: enough to make it again. */
export function Made({ run }: { run: RunDetail }) {
  return (
    <Panel aria-labelledby="made">
      <PanelHead id="made" title="Made of" />
      <div className="flex flex-col gap-4 p-4">
        <Facts>
          <Fact name="Data">
            <DataLink data={run.data} />
          </Fact>
          {run.data !== null && (
            <Fact name="Rows">
              {run.data.rows === null ? 'not counted' : formatCount(run.data.rows)} <Code>{shortDigest(run.data.digest)}</Code>
            </Fact>
          )}
          <Fact name="Seed">{run.seed}</Fact>
          <Fact name="Code">
            {run.code.revision === null ? <span className="text-ink-3">revision unknown</span> : <Code>{run.code.revision.slice(0, 20)}</Code>}
            {run.code.digest !== null && (
              <span className="block text-xs text-ink-3">
                digest <Code>{shortDigest(run.code.digest)}</Code>
              </span>
            )}
          </Fact>
        </Facts>
        {run.weightDigest !== null && (
          <div>
            <p className="eyebrow mb-1">Digest of the weights</p>
            <CopyLine text={run.weightDigest} label="digest of the weights" />
          </div>
        )}
      </div>
    </Panel>
  );
}

export function Environment({ run }: { run: RunDetail }) {
  const { environment: env } = run;
  const { data: report } = useQuery(environmentQuery(run.id));
  return (
    <Panel aria-labelledby="environment">
      <PanelHead id="environment" title="Environment" note="beside what the fleet runs" />
      <div className="flex flex-col gap-4 p-4">
        <Facts>
          <Fact name="Product">{env.product}</Fact>
          <Fact name="Node">{env.node}</Fact>
          <Fact name="ONNX Runtime">{env.ort}</Fact>
          <Fact name="System">
            {env.platform} {env.arch}
          </Fact>
          <Fact name="Processor">{env.cpu}</Fact>
          <Fact name="Kernels">
            <span className="text-xs">{env.cpuFlags.length === 0 ? 'not told' : env.cpuFlags.join(', ')}</span>
          </Fact>
          <Fact name="Threads">{env.threads}</Fact>
          <Fact name="Lock file">{env.lockfile === null ? <span className="text-ink-3">none</span> : <Code>{shortDigest(env.lockfile)}</Code>}</Fact>
        </Facts>
        <section aria-label="Devices of the fleet">
          <h3 className="eyebrow mb-2">In the fleet</h3>
          {report === undefined && <p className="text-xs text-ink-3">Not known yet.</p>}
          {report?.devices.length === 0 && <p className="text-sm text-ink-3">No device has joined.</p>}
          <ul className="flex flex-col gap-3">
            {report?.devices.map((device) => (
              <li key={`${device.agent} ${device.runtime} ${device.os} ${device.arch} ${device.cpu}`} className="text-sm">
                <p className="flex flex-wrap items-center gap-x-2">
                  <span className="font-medium">{plural(device.count, 'device')}</span>
                  {device.differences.length === 0 && <Badge tone="ok">as trained</Badge>}
                </p>
                <p className="text-xs text-ink-3">
                  {device.runtime}, {device.os} {device.arch}
                  {device.cpu !== '' && `, ${device.cpu}`}
                </p>
                {device.differences.length > 0 && (
                  <ul className="mt-1 list-disc pl-4 text-xs text-ink-2">
                    {device.differences.map((words) => (
                      <li key={words}>{sentence(words)}</li>
                    ))}
                  </ul>
                )}
              </li>
            ))}
          </ul>
        </section>
      </div>
    </Panel>
  );
}

const parametersShown = 14;

export function Parameters({ run }: { run: RunDetail }) {
  const [all, setAll] = useState(false);
  const entries = Object.entries(run.parameters).toSorted(([one], [other]) => one.localeCompare(other));
  if (entries.length === 0) return null;
  return (
    <Panel aria-labelledby="parameters">
      <PanelHead id="parameters" title="Parameters" note={formatCount(entries.length)} />
      <dl className="flex flex-col p-4 pb-3 text-xs">
        {entries.slice(0, all ? undefined : parametersShown).map(([name, value]) => (
          <div key={name} className="flex items-baseline gap-3 border-b border-line py-1.5 last:border-b-0">
            <dt className="min-w-0 flex-1 font-mono wrap-anywhere text-ink-2">{name}</dt>
            <dd className="max-w-[60%] text-right font-medium wrap-anywhere">{value === null ? 'none' : String(value)}</dd>
          </div>
        ))}
      </dl>
      {entries.length > parametersShown && <MoreButton all={all} count={entries.length} onToggle={() => setAll(!all)} />}
    </Panel>
  );
}

const artifactsShown = 8;
const isPackaged = ({ name }: RunDetail['artifacts'][number]): boolean => name.startsWith('package/');

/** What goes to devices first, then what the stages left. */
export function Artifacts({ run: { artifacts } }: { run: RunDetail }) {
  const [all, setAll] = useState(false);
  if (artifacts.length === 0) return null;
  const sorted = artifacts.toSorted((one, other) => Number(isPackaged(other)) - Number(isPackaged(one)));
  return (
    <Panel aria-labelledby="artifacts" className="min-w-0 overflow-hidden">
      <PanelHead id="artifacts" title="Artifacts" note={plural(artifacts.length, 'file')} />
      <ul className="divide-y divide-line">
        {sorted.slice(0, all ? undefined : artifactsShown).map(({ name, bytes, sha256 }) => (
          <li key={name} className="flex items-baseline gap-3 px-4 py-2 text-sm">
            <span className="min-w-0 flex-1 truncate" title={name}>
              {name}
            </span>
            <Code>{shortDigest(sha256)}</Code>
            <span className="w-16 text-right text-xs text-ink-3">{formatBytes(bytes)}</span>
          </li>
        ))}
      </ul>
      {artifacts.length > artifactsShown && <MoreButton all={all} count={artifacts.length} onToggle={() => setAll(!all)} />}
    </Panel>
  );
}

function MoreButton({ all, count, onToggle }: { all: boolean; count: number; onToggle: () => void }) {
  return (
    <button
      type="button"
      aria-expanded={all}
      onClick={onToggle}
      className="w-full border-t border-line px-4 py-2 text-left text-xs font-medium text-link hover:underline"
    >
      {all ? 'Fewer' : `All ${formatCount(count)}`}
    </button>
  );
}

const logShown = 200;

export function Log({ run }: { run: RunDetail }) {
  if (run.log.length === 0) return null;
  return (
    <Panel aria-labelledby="log">
      <PanelHead
        id="log"
        title="Log"
        note={run.log.length > logShown ? `the last ${logShown} of ${formatCount(run.log.length)} lines` : humanise(plural(run.log.length, 'line'))}
      />
      <pre
        tabIndex={0}
        role="log"
        aria-label="Log of the run"
        className="max-h-72 overflow-auto p-4 font-mono text-2xs leading-relaxed whitespace-pre-wrap text-ink-2"
      >
        {run.log.slice(-logShown).join('\n')}
      </pre>
    </Panel>
  );
}
