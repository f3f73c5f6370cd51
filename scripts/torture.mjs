// npm run torture -- --list | NAME [--quick] [--seed N]: the seed first, the verdict last; the same seed does the same again.
import { randomInt } from 'node:crypto';
import { choose } from './programs.mjs';
import { provideSystemParts } from './system-parts.mjs';

const { name, quick, values, program } = await choose('torture', ['seed']);
const seed = values.seed ?? randomInt(2 ** 32);
console.log(`torture ${name}: seed ${seed}${quick ? ', quick' : ''} (again: npm run torture -- ${name}${quick ? ' --quick' : ''} --seed ${seed})`);
if (program.needsSystemParts === true) Object.assign(process.env, provideSystemParts());
const { passed, words, figures } = await program.run({ quick, seed });
console.log(words);
console.log(JSON.stringify({ torture: name, seed, quick, passed, ...figures }));
process.exitCode = passed ? 0 : 1;
