/** What Windows-1252 has from 128 to 159, where Latin-1 has control characters; places without a letter stay as they are. */
const letters = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/** Windows-1252. Node 20's own decoder reads it as Latin-1: the euro and curly quotes are then lost. */
export const decodeWestern = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[\u0080-\u009f]/g, (letter) => letters[letter.charCodeAt(0) - 128] as string);
