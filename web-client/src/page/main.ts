import { asSerinError } from '@serin/protocol/errors';
import { EdgeModel } from '../edge-model.ts';
import { cameraView } from './camera-view.ts';
import { verifiedView } from './verified-view.ts';
import { loadingView, refusalView } from './loading-view.ts';
import { createShell } from './shell-view.ts';

const root = document.querySelector<HTMLElement>('#root');
if (root === null) throw new Error('the page has no root element');
const shell = createShell(root);
const query = new URLSearchParams(location.search);
const model = query.get('model') ?? 'picker';
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
    const camera = cameraView(edge.info.labels);
    shell.show(camera.element, verifiedView(edge.info));
    shell.state('live', 'ok', 'Live');
  } catch (thrown) {
    const error = asSerinError(thrown);
    shell.state('refused', 'bad', 'Refused');
    shell.show(
      loading.element,
      refusalView(error, () => void start()),
    );
  }
}

await start();
