// npm run bench -- --list | NAME [--quick] [--peer]: a table for people, then one JSON object as the last line of standard output.
import { choose, formatTable } from './programs.mjs';
import { provideSystemParts } from './system-parts.mjs';

const { name, quick, values, program } = await choose('bench', [], ['peer']);
if (program.needsSystemParts === true) Object.assign(process.env, provideSystemParts());
const { table, figures } = await program.run({ quick, peer: values.peer === true });
console.log(formatTable(table));
console.log(JSON.stringify({ bench: name, quick, ...figures }));
