import { useId, useState } from 'react';
import type { Source } from '@serin/protocol/api/datasets';
import { api } from '../data/api.ts';
import { useAction } from '../data/actions.ts';
import { keys } from '../data/keys.ts';
import { scheduleWords, usualSchedules } from '../domain/schedule-words.ts';
import { draftOf, draftProblems, sourceBody, sourceKindWords, type SourceBody, type SourceDraft, type SourceKind } from '../domain/source-form.ts';
import { Code } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';
import { SelectField, TextArea, TextField } from '../ui/field.tsx';
import { showDone } from '../ui/toasts.ts';

/** Declares a source, or changes one. What is wrong is said beside its field, once somebody tried to send it. */
export function SourceForm({ source, dataset, onClose }: { source: Source | undefined; dataset: string; onClose: () => void }) {
  const formId = useId();
  const [draft, setDraft] = useState(() => draftOf(source, dataset));
  const [tried, setTried] = useState(false);
  const problems = tried ? draftProblems(draft) : {};
  const set = (part: Partial<SourceDraft>): void => setDraft((before) => ({ ...before, ...part }));
  const save = useAction<SourceBody, 'setSource'>(
    (body) => api('setSource', { body }),
    ({ name }, client) => {
      void client.invalidateQueries({ queryKey: keys.sources });
      void client.invalidateQueries({ queryKey: keys.datasets });
      showDone(source === undefined ? `The source ${name} is declared` : `The source ${name} is changed`);
      onClose();
    },
  );
  const submit = (): void => {
    setTried(true);
    const body = sourceBody(draft, source);
    if (body !== null) save.mutate(body);
  };
  const text = (key: Exclude<keyof SourceDraft, 'enabled'>, label: string, hint?: string, placeholder?: string) => (
    <TextField
      label={label}
      value={draft[key]}
      onChange={(event) => set({ [key]: event.target.value })}
      hint={hint}
      problem={problems[key]}
      placeholder={placeholder}
      autoComplete="off"
      spellCheck={false}
    />
  );
  return (
    <Dialog
      wide
      open
      onClose={onClose}
      title={source === undefined ? 'Declare a source' : `Change ${source.name}`}
      description="The server reads it, checks what came, and makes a version of it; a batch with errors waits in quarantine."
    >
      <DialogBody>
        <form
          id={formId}
          noValidate
          className="flex flex-col gap-5"
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <div className="grid gap-4 sm:grid-cols-2">
            {source === undefined ? text('name', 'Name', undefined, 'nightly-orders') : <Fixed label="Name" value={source.name} />}
            {source === undefined ? (
              text('dataset', 'Dataset it feeds', 'Made with the first read where there is none.', 'orders')
            ) : (
              <Fixed label="Dataset it feeds" value={source.dataset} />
            )}
          </div>
          <fieldset className="flex flex-col gap-4">
            <legend className="eyebrow mb-2">Where it reads</legend>
            <SelectField label="Kind" value={draft.kind} onChange={(event) => set({ kind: event.target.value as SourceKind })}>
              {Object.entries(sourceKindWords).map(([kind, words]) => (
                <option key={kind} value={kind}>
                  {words}
                </option>
              ))}
            </SelectField>
            {draft.kind === 'folder' && (
              <div className="grid gap-4 sm:grid-cols-2">
                {text('path', 'Folder', 'As the server sees it, below the folders it may read.', 'incoming/orders')}
                {text('pattern', 'Only files like (optional)', undefined, '*.csv')}
              </div>
            )}
            {draft.kind === 'url' && (
              <>
                {text('url', 'Address', undefined, 'https://data.example/orders.csv')}
                {text('headerSecret', 'Variable with the Authorization header (optional)', undefined, 'SERIN_SOURCE_ORDERS_TOKEN')}
              </>
            )}
            {draft.kind === 's3' && (
              <>
                <div className="grid gap-4 sm:grid-cols-2">
                  {text('endpoint', 'Endpoint', undefined, 'https://s3.example')}
                  {text('region', 'Region')}
                  {text('bucket', 'Bucket')}
                  {text('prefix', 'Prefix (optional)', undefined, 'orders/')}
                  {text('keyIdSecret', 'Variable with the key id')}
                  {text('keySecret', 'Variable with the secret key')}
                </div>
              </>
            )}
            {draft.kind === 'sql' && (
              <>
                {text('urlSecret', 'Variable with the address of the database')}
                <TextArea
                  label="Query"
                  rows={4}
                  value={draft.query}
                  problem={problems.query}
                  onChange={(event) => set({ query: event.target.value })}
                  placeholder="select * from orders where id > $1 order by id"
                  spellCheck={false}
                  className="[&_textarea]:font-mono"
                />
                {text('cursorColumn', 'Column that grows (optional)', '$1 in the query is the largest value of it that was read before.', 'id')}
              </>
            )}
            {draft.kind !== 'folder' && (
              <p className="rounded-md bg-sunken px-3 py-2 text-xs text-ink-2">
                Secrets are never typed here: only the name of a variable of the server’s environment, <Code>SERIN_SOURCE_…</Code>, is kept. Set it where the
                server is started.
              </p>
            )}
          </fieldset>
          <fieldset className="grid gap-4 sm:grid-cols-2">
            <legend className="eyebrow mb-2">What it brings</legend>
            <SelectField label="Kind of data" value={draft.dataKind} onChange={(event) => set({ dataKind: event.target.value as SourceDraft['dataKind'] })}>
              <option value="table">Table</option>
              <option value="text">Texts</option>
              <option value="images">Pictures</option>
            </SelectField>
            {text('label', 'Column with the label (optional)')}
            <SelectField label="A read" value={draft.mode} onChange={(event) => set({ mode: event.target.value as SourceDraft['mode'] })}>
              <option value="append">adds to the newest version</option>
              <option value="replace">is a version by itself</option>
            </SelectField>
          </fieldset>
          <fieldset className="grid gap-4 sm:grid-cols-2">
            <legend className="eyebrow mb-2">When</legend>
            <SelectField
              label="Often used"
              value={usualSchedules.find(({ value }) => value === draft.schedule.trim())?.value ?? 'own'}
              onChange={(event) => event.target.value !== 'own' && set({ schedule: event.target.value })}
            >
              {usualSchedules.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
              <option value="own">As written beside</option>
            </SelectField>
            {text('schedule', 'Schedule (cron, in UTC)', scheduleWords(draft.schedule.trim() === '' ? null : draft.schedule), '0 3 * * *')}
            <label className="flex items-center gap-2 text-sm sm:col-span-2">
              <input type="checkbox" checked={draft.enabled} onChange={(event) => set({ enabled: event.target.checked })} className="size-4 accent-(--ink)" />
              Switched on
            </label>
          </fieldset>
        </form>
      </DialogBody>
      <DialogActions>
        <Button onClick={onClose}>Not now</Button>
        <Button kind="primary" type="submit" form={formId} busy={save.isPending}>
          {source === undefined ? 'Declare the source' : 'Change the source'}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

function Fixed({ label, value }: { label: string; value: string }) {
  return (
    <div className="flex flex-col gap-1">
      <span className="text-xs font-medium text-ink-2">{label}</span>
      <span className="flex h-8 items-center text-sm">{value}</span>
    </div>
  );
}
