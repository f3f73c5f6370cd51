import { arch, cpus, release, totalmem, type } from 'node:os';
import { installedVersion, processorFlags } from '@serin/node/machine';
import type { Hello } from '@serin/protocol/messages/status';
import { productVersion, protocolVersion } from '@serin/protocol/version';

/** What this machine is. */
export const createHello = (site: string, synthetic: boolean): Hello => ({
  protocol: protocolVersion,
  agent: productVersion,
  class: 'agent',
  os: `${type()} ${release()}`.slice(0, 64),
  arch: arch(),
  cpu: (cpus()[0]?.model ?? 'unknown').trim().slice(0, 128),
  memoryBytes: totalmem(),
  runtime: `node ${process.versions.node}, onnxruntime-node ${installedVersion('onnxruntime-node', import.meta.url)}`.slice(0, 64),
  cpuFlags: processorFlags(),
  site,
  synthetic,
});
