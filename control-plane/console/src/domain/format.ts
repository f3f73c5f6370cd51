/** Numbers and times in the console's one voice. Absent values are a dash, never 0. */
export const dash = '–';

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function formatCount(value: number): string {
  return plain.format(value);
}

/** Three significant digits, and no trailing noise on large figures. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  const size = Math.abs(value);
  if (Number.isInteger(value)) return plain.format(value);
  if (size >= 100) return plain.format(value);
  if (size >= 10) return value.toFixed(1);
  if (size >= 0.001) return value.toFixed(size >= 1 ? 2 : 3);
  return value.toExponential(1);
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const power = (exponent: number): string => `10${String(exponent).replace(/[0-9]/g, (digit) => superscripts.charAt(Number(digit)))}`;

/** E-values grow and shrink exponentially: beyond a million only their size says something. */
export function formatEvidence(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  if (value >= 1e6) return `more than ${power(Math.floor(Math.log10(value)))}`;
  if (value > 0 && value < 0.001) return 'less than 0.001';
  return formatNumber(value);
}

/** Figures about shares read as percentages, counts as counts. */
export function formatMetric(name: string, value: number): string {
  return /accuracy|confidence|difference|share|ece|recall|precision|map50|right/i.test(name) && Math.abs(value) <= 1
    ? formatPercent(value)
    : formatNumber(value);
}

export function formatRate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  if (value >= 100) return plain.format(value);
  return value.toFixed(1);
}

export function formatMs(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 100) return `${plain.format(value)} ms`;
  if (value >= 10) return `${value.toFixed(1)} ms`;
  return `${value.toFixed(2)} ms`;
}

export function formatPercent(share: number | null | undefined, digits = 1): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return dash;
  return `${(share * 100).toFixed(digits)}%`;
}

/** Percentage points with a sign, for differences of shares. */
export function formatPoints(difference: number | null | undefined, digits = 1): string {
  if (difference === null || difference === undefined || !Number.isFinite(difference)) return dash;
  const rounded = Number((difference * 100).toFixed(digits));
  const sign = rounded > 0 ? '+' : rounded < 0 ? '−' : '±';
  return `${sign}${Math.abs(rounded).toFixed(digits)} pt`;
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return dash;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A span of time in its one or two largest units. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 || minutes >= 10 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 || days >= 10 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** In one unit: an age that is read in passing should not flicker. */
export function formatAgo(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined) return 'never';
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export const formatClock = (at: number): string => clock.format(at);
export const formatDate = (at: number): string => dayAndClock.format(at);
export const formatFull = (at: number): string => full.format(at);

const acronyms: Readonly<Record<string, string>> = {
  auc: 'AUC',
  cpu: 'CPU',
  csv: 'CSV',
  ece: 'ECE',
  f1: 'F1',
  fp32: 'fp32',
  mae: 'MAE',
  map50: 'mAP50',
  ort: 'ONNX Runtime',
  p50: 'p50',
  p95: 'p95',
  psi: 'PSI',
  r2: 'R²',
  rmse: 'RMSE',
  url: 'URL',
};

/** `AWAITING_APPROVAL` reads as `Awaiting approval`. */
export function humanise(code: string): string {
  const words = code.replace(/[._-]+/g, ' ').trim();
  if (words === '') return '';
  const spaced = words === words.toUpperCase() ? words : words.replace(/([a-z0-9])(?=[A-Z])/g, '$1 ');
  return spaced
    .toLowerCase()
    .split(' ')
    .map((word, index) => acronyms[word] ?? (index === 0 ? word.charAt(0).toUpperCase() + word.slice(1) : word))
    .join(' ');
}

/** The server's words begin a sentence here; a name, which a colon may follow, keeps its own spelling. */
export function sentence(words: string): string {
  const [first = ''] = words.split(' ', 1);
  const acronym = acronyms[first];
  if (acronym !== undefined) return `${acronym}${words.slice(first.length)}`;
  return /^[a-z]+\b(?![-_0-9.:])/.test(words) ? words.charAt(0).toUpperCase() + words.slice(1) : words;
}

/** What happened, without the small print behind the first semicolon. */
export function firstClause(words: string): string {
  return sentence(words.split('; ', 1)[0] ?? words);
}

/** Long numbers within a sentence, in groups of three. */
export function groupDigits(words: string): string {
  return words.replace(/(?<![\w.])\d{5,}(?![\w.]\w)/g, (digits) => plain.format(Number(digits)));
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
