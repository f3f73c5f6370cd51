import { EdgeModel } from '../edge-model.ts';

/** What docs/records.md shows of a page. */
async function documented(say: (line: string) => void): Promise<void> {
  const model = await EdgeModel.load({ url: location.origin, model: 'churn', runtimeUrl: '/ort/' });
  const { label, confidence, reasons } = await model.ask({ tenure_months: 2, plan: 'pro', support_calls: 4 }, { reasons: 3 });
  say(`${label}, ${confidence?.toFixed(2)}`);
  for (const { name, given, contribution } of reasons) say(`${contribution.toFixed(2)}: ${name} ${given ?? 'not known'}`);
  model.close();
}

/** This module is a page's program, which a test runs. */
Object.assign(globalThis, { documented });
