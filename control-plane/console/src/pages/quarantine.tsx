import { useState } from 'react';
import type { DatasetVersionDetail } from '@serin/protocol/api/datasets';
import { api } from '../data/api.ts';
import { rememberDatasetVersion, useAction } from '../data/actions.ts';
import { useRefusal } from '../data/use-session.ts';
import { sortAnomalies } from '../domain/data-view.ts';
import { groupDigits, plural, sentence } from '../domain/format.ts';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';
import { TextArea } from '../ui/field.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { showDone } from '../ui/toasts.ts';

const reasonsShown = 3;

type Decision = 'release' | 'drop';

/** What happens, exactly: a batch is put on top of what is newest when it is released. */
function releaseWords({ parent, rows }: DatasetVersionDetail): string {
  const then = 'Pipelines that name no version learn from it from their next run on.';
  return parent === null
    ? `Its ${plural(rows, 'row')} become usable as a version by themselves, the newest unless a later one is usable. ${then}`
    : `Its ${plural(rows, 'row')} are added to the version that is the newest usable one now, and make the newest from then on. ${then}`;
}

/** A batch that waits for a person: why, and the two ways on. */
export function Quarantine({ version }: { version: DatasetVersionDetail }) {
  const [asking, setAsking] = useState<Decision | null>(null);
  const mayRelease = useRefusal('releaseDatasetVersion');
  const mayDrop = useRefusal('dropDatasetVersion');
  const errors = sortAnomalies(version.anomalies).filter(({ severity }) => severity === 'error');
  return (
    <section aria-labelledby="quarantine" className="rounded-lg bg-warn-soft px-4 py-3.5" data-testid="quarantine">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <StateMark state="QUARANTINED" className="mt-1 size-4" />
        <div className="min-w-0 flex-1 basis-64">
          <h2 id="quarantine" className="text-sm font-semibold text-warn">
            In quarantine: no model learns from this batch until somebody decides
          </h2>
          <ul className="mt-1.5 flex list-disc flex-col gap-1 pl-4 text-sm">
            {errors.slice(0, reasonsShown).map(({ kind, column, words }, index) => (
              <li key={`${kind} ${column ?? ''} ${String(index)}`} className="wrap-anywhere">
                {sentence(groupDigits(words))}
              </li>
            ))}
            {errors.length === 0 && (
              <li>{version.errors === 0 ? 'Nothing is wrong with it by itself; it was held back.' : `${plural(version.errors, 'error')} were found.`}</li>
            )}
          </ul>
          {errors.length > reasonsShown && <p className="mt-1 text-xs text-ink-2">and {plural(errors.length - reasonsShown, 'more error')} below</p>}
        </div>
        <div className="flex gap-2">
          <Button refusal={mayDrop} onClick={() => setAsking('drop')}>
            Drop
          </Button>
          <Button kind="primary" refusal={mayRelease} onClick={() => setAsking('release')}>
            Release
          </Button>
        </div>
      </div>
      {asking !== null && <DecisionDialog key={asking} version={version} decision={asking} onClose={() => setAsking(null)} />}
    </section>
  );
}

function DecisionDialog({ version, decision, onClose }: { version: DatasetVersionDetail; decision: Decision; onClose: () => void }) {
  const [note, setNote] = useState('');
  const release = decision === 'release';
  const decide = useAction<string, 'releaseDatasetVersion'>(
    (words) =>
      api(release ? 'releaseDatasetVersion' : 'dropDatasetVersion', {
        params: { name: version.dataset, version: String(version.version) },
        body: { note: words },
      }),
    (reply, client) => {
      rememberDatasetVersion(reply, client);
      showDone(release ? `v${version.version} is released` : `v${version.version} is dropped`);
      onClose();
    },
  );
  const name = `${version.dataset} v${version.version}`;
  return (
    <Dialog
      open
      onClose={onClose}
      title={release ? `Release ${name}?` : `Drop ${name}?`}
      description={
        release ? releaseWords(version) : `Its ${plural(version.rows, 'row')} are never learnt from. It stays listed as dropped; this cannot be undone.`
      }
    >
      <DialogBody className="flex flex-col gap-3">
        {release && version.errors > 0 && (
          <p className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{plural(version.errors, 'error')} stay in the data: training uses it as it is.</p>
        )}
        <TextArea
          label="Why (kept with the version and in the audit)"
          rows={3}
          maxLength={500}
          value={note}
          onChange={(event) => setNote(event.target.value)}
        />
      </DialogBody>
      <DialogActions>
        <Button onClick={onClose}>Not now</Button>
        <Button kind={release ? 'primary' : 'danger'} busy={decide.isPending} onClick={() => decide.mutate(note.trim())}>
          {release ? 'Release the batch' : 'Drop the batch'}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
