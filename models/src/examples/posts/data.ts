import { seededRandom, type Random } from '@serin/inference/random';

export interface Post {
  readonly id: string;
  readonly keyword: string;
  readonly location: string;
  readonly text: string;
  /** 1: somebody tells of an emergency that happens. */
  readonly target: 0 | 1;
}

export const postClasses = ['other', 'emergency'] as const;
export const postColumns = ['id', 'keyword', 'location', 'text', 'target'] as const;

const hazards = ['fire', 'flood', 'explosion', 'crash', 'storm', 'earthquake', 'landslide', 'gas leak', 'collapse', 'power cut'] as const;
const places = [
  'Harbour Road',
  'the old mill',
  'North Bridge',
  'the station',
  'Elm Street',
  'the school on Hill Lane',
  'Riverside',
  'the shopping centre',
] as const;
const towns = ['Ashford Vale', 'Port Merrin', 'Lindwick', 'Saint Orla', 'Kestrel Bay', 'Dunmarsh', '', '', ''] as const;
const people = ['my neighbours', 'two workers', 'an elderly couple', 'several families', 'the driver', 'children', 'nobody', 'at least 3 people'] as const;
const things = ['this new album', 'my exam', 'the sale', 'our group chat', 'his haircut', 'the season finale', 'my inbox', 'her speech', 'the match'] as const;

type Fill = (random: Random, hazard: string) => string;
const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.integer(items.length)] as Item;

const emergencies: readonly Fill[] = [
  (random, hazard) => `${hazard} at ${pick(random, places)}, ${pick(random, people)} trapped, please send help`,
  (random, hazard) => `huge ${hazard} near ${pick(random, places)} right now, road closed, stay away`,
  (random, hazard) => `we are being evacuated because of the ${hazard}, water and smoke everywhere`,
  (random, hazard) => `emergency crews on scene after ${hazard} on ${pick(random, places)}, ${pick(random, people)} injured`,
  (random, hazard) => `can anyone reach ${pick(random, people)} at ${pick(random, places)}? the ${hazard} has cut us off`,
  (random, hazard) =>
    `just heard a bang, ${hazard} ${pick(random, ['behind', 'opposite', 'next to'])} ${pick(random, places)}, calling ${pick(random, ['911', '112', '999'])}`,
  (random, hazard) => `police confirm ${hazard} in the area, ${1 + random.integer(40)} homes without power`,
  (random, hazard) => `not a drill, ${hazard} at ${pick(random, places)}, get out now`,
];

const others: readonly Fill[] = [
  (random, hazard) => `${pick(random, things)} is pure ${hazard}, I can't even`,
  (random, hazard) => `${pick(random, things)} was a total ${hazard} right now lol`,
  (random, hazard) => `remembering the ${hazard} of ${1900 + random.integer(110)}, the film about ${pick(random, places)} is great`,
  (random, hazard) => `${hazard} drill at ${pick(random, places)} today, this is not an emergency`,
  (random, hazard) => `false alarm, no ${hazard} at ${pick(random, places)}, ${pick(random, people)} injured`,
  (random, hazard) => `how to insure your home against ${hazard}: ${2 + random.integer(9)} tips`,
  (random, hazard) => `me after ${pick(random, things)}: ${hazard} everywhere, please send help and snacks`,
  (random, hazard) => `dreamt of a ${hazard} at ${pick(random, places)} again, need coffee right now`,
];

const endings = ['', '', '', '!', '!!', ' 😂', ' 🙏', ' 😱', ' ...'] as const;

/** As people type: letters lost, words in capitals, topics, names, links. */
function roughen(random: Random, text: string, hazard: string): string {
  const words = text.split(' ').map((word) => {
    const chance = random.uniform();
    if (chance < 0.03 && word.length > 4) return word.slice(0, 2) + word.slice(3);
    return chance < 0.06 ? word.toUpperCase() : word;
  });
  const parts = [words.join(' ') + pick(random, endings)];
  if (random.uniform() < 0.2) parts.push(`#${hazard.replaceAll(' ', '')}`);
  if (random.uniform() < 0.15) parts.unshift(`@user${random.integer(1000)}`);
  if (random.uniform() < 0.25) parts.push(`http://t.example/${random.bits().toString(36)}`);
  return parts.join(' ');
}

const repeatedShare = 0.12;
const mistakenShare = 0.02;

/**
 * Posts that nobody has written: synthetic, drawn from a seed. Both classes use the same words of danger; some posts are
 * passed on, and one label in fifty is wrong, as with labels that people give.
 */
export function drawPosts(count: number, seed: number): Post[] {
  const random = seededRandom(`posts/${seed}`);
  const posts: Post[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = `synthetic-${index + 1}`;
    if (index > 20 && random.uniform() < repeatedShare) {
      const source = pick(random, posts);
      posts.push({ ...source, id, text: source.text.startsWith('RT ') ? source.text : `RT @user${random.integer(1000)}: ${source.text}` });
      continue;
    }
    const hazard = pick(random, hazards);
    const isEmergency = random.uniform() < 0.43;
    const text = roughen(random, pick(random, isEmergency ? emergencies : others)(random, hazard), hazard);
    const target = isEmergency === random.uniform() >= mistakenShare ? 1 : 0;
    posts.push({ id, keyword: hazard, location: pick(random, towns), text, target });
  }
  return posts;
}
