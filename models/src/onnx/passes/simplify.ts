import { checkModel } from '../check.ts';
import { currentOpset, type Model } from '../graph.ts';
import { foldBatchNorm } from './fold-batch-norm.ts';
import { foldConstants, type FoldOptions } from './fold-constants.ts';
import { removeDeadCode } from './remove-dead-code.ts';
import { upgradeOpset } from './upgrade-opset.ts';

/** Each round only goes on where the last one changed something. */
const roundsMax = 8;

/** The same function of its inputs with less to run: checked, of the current opset, nothing constant left to compute. */
export async function simplify(model: Model, options: FoldOptions = {}): Promise<Model> {
  const checked = checkModel(model);
  const standard = checked.opsets[''] ?? currentOpset;
  let current = standard < currentOpset ? upgradeOpset(checked) : checked;
  for (let round = 0; round < roundsMax; round += 1) {
    const before = current;
    current = removeDeadCode(current);
    current = await foldConstants(current, options);
    current = foldBatchNorm(current);
    current = removeDeadCode(current);
    if (current === before) break;
  }
  return current;
}
