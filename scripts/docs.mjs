// Writes the pages that say what the code says: docs/errors.md, docs/config.md, docs/agent.md. npm run docs
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const errorsPage = path.join(root, 'docs', 'errors.md');

const cell = (text) => text.replaceAll('|', '\\|');

export function renderErrors(catalogue) {
  const rows = Object.entries(catalogue).map(([code, { message, hint, status }]) => `| \`${code}\` | ${cell(message)}. | ${cell(hint)}. | ${status} |`);
  return [
    '# Errors',
    '',
    'Every fault a person can meet has a stable code. Programs print the code, what happened and what to do; the API answers with',
    '`{code, message, hint, detail?, requestId?}` and the HTTP status below; a device reports the code of its last failure.',
    '',
    'This page is written by `npm run docs` from `fleet/protocol/src/errors.ts`; a test keeps the two equal.',
    '',
    '| code | what happened | what to do | HTTP |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const built = (...file) => import(pathToFileURL(path.join(root, ...file)).href);
  const { errorCatalogue } = await built('fleet', 'protocol', 'dist', 'errors.js');
  const { configDocs } = await built('control-plane', 'dist', 'config.js');
  const { configPage } = await built('edge-agent', 'dist', 'config.js');
  writeFileSync(errorsPage, renderErrors(errorCatalogue));
  writeFileSync(path.join(root, 'docs', 'config.md'), configDocs());
  writeFileSync(path.join(root, 'docs', 'agent.md'), configPage());
}
