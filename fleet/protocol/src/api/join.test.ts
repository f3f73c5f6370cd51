import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SerinError } from '../errors.ts';
import { formatJoinToken, parseJoinToken } from './join.ts';

const caSha256 = fc.stringMatching(/^[0-9a-f]{64}$/);
const claim = fc.stringMatching(/^[A-Za-z0-9_-]{22,64}$/);

describe('a join token', () => {
  test('is read as it was written, with blanks around it', () => {
    fc.assert(
      fc.property(caSha256, claim, fc.constantFrom('', ' ', '\n', '\t '), (digest, secret, blank) => {
        expect(parseJoinToken(`${blank}${formatJoinToken({ caSha256: digest, claim: secret })}${blank}`)).toEqual({ caSha256: digest, claim: secret });
      }),
    );
  });

  test('that lost or gained letters is refused, without repeating the secret', () => {
    fc.assert(
      fc.property(caSha256, claim, fc.nat(), (digest, secret, at) => {
        const whole = formatJoinToken({ caSha256: digest, claim: secret });
        const cut = whole.slice(0, at % (whole.length - secret.length + 21));
        for (const text of [cut, `${whole}.x`, whole.replace('SRN1', 'SRN2'), whole.replace('.', ' '), `x${whole}`]) {
          try {
            parseJoinToken(text);
            expect.unreachable(text);
          } catch (error) {
            expect(error).toBeInstanceOf(SerinError);
            expect((error as SerinError).code).toBe('JOIN_TOKEN_MALFORMED');
            expect(String(error)).not.toContain(secret);
          }
        }
      }),
    );
  });
});
