import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command } from '../command.ts';
import { htmlArg, showReport } from './report-summary.ts';

export const modelReport = command(
  'What was measured of a version before it was signed, and what it had to reach',
  {
    name: { type: 'positional', required: true, description: 'the model' },
    version: { type: 'positional', required: true, description: 'the version' },
    ...htmlArg,
  },
  async ({ name, version, html }, session) => {
    const number = readWhole(version, 'VERSION', 1, 1_000_000_000);
    const params = { name: readValue(modelName, name, 'NAME', 'the name of a model'), version: String(number) };
    const report = await session.api('getVersionReport', { params, query: {} });
    await showReport(report, html, () => session.page('getVersionReport', { params, query: { format: 'html' } }), session);
    session.link(`/models?model=${params.name}&version=${number}`);
  },
);
