import { asSerinError } from '@serin/protocol/errors';
import type { RecordReply } from '@serin/device/ports';
import type { DataRecord } from '@serin/inference/records';
import { browserClock } from '../browser-clock.ts';
import { EdgeModel } from '../edge-model.ts';
import { verifiedView } from './verified-view.ts';
import { startLive, type Live } from './live-view.ts';
import { loadingView, refusalView } from './loading-view.ts';
import { createShell } from './shell-view.ts';

const root = document.querySelector<HTMLElement>('#root');
if (root === null) throw new Error('the page has no root element');
const shell = createShell(root);
const query = new URLSearchParams(location.search);
const model = query.get('model') ?? 'picker';
const fps = 20;
const reasonsShown = 8;
const rootKeyId = query.get('root');

async function start(): Promise<void> {
  const loading = loadingView();
  shell.title(model, 'Fetched, verified and run in this page');
  shell.state('loading', 'info', 'Loading');
  shell.show(loading.element);
  try {
    const edge = await EdgeModel.load({
      url: location.origin,
      model,
      runtimeUrl: new URL('ort/', document.baseURI).href,
      onProgress: loading.update,
      ...(rootKeyId === null ? {} : { rootKeyId }),
    });
    const { version, variant, backend } = edge.info;
    shell.title(model, `version ${version}, ${variant}, ${backend}`);
    const { preprocessing, profile } = edge;
    if (preprocessing !== undefined) {
      // Pages with cameras never fetch what reads tables and texts.
      const { askView } = await import('./ask-view.ts');
      const ask = (record: DataRecord): Promise<RecordReply> => edge.ask(record, { reasons: reasonsShown });
      shell.show(askView({ labels: edge.info.labels, preprocessing, profile, ask }), verifiedView(edge.info));
      shell.state('ready', 'ok', 'Ready');
      return;
    }
    const live = startLive({ edge, fps, seed: String(browserClock.now()), onFault: (fault) => void stopFor(live, edge, fault) });
    shell.show(...live.elements, verifiedView(edge.info));
    shell.state('live', 'ok', 'Live');
  } catch (thrown) {
    const error = asSerinError(thrown);
    loading.fail();
    shell.title(model, 'Nothing runs in this page');
    shell.state('refused', 'bad', 'Refused');
    shell.show(
      loading.element,
      refusalView(error, () => void start()),
    );
  }
}

/** A fault of the runtime ends the show; what it was stays on the screen. */
async function stopFor(live: Live, edge: EdgeModel, fault: unknown): Promise<void> {
  await live.stop();
  edge.close();
  shell.state('stopped', 'bad', 'Stopped');
  shell.show(refusalView(asSerinError(fault, 'INFERENCE_CRASHED'), () => void start()));
}

await start();
