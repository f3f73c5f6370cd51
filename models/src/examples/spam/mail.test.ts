import { expect, test } from 'vitest';
import fc from 'fast-check';

import { readMail, stripTags } from './mail.ts';

const mailOf = (...lines: string[]): Uint8Array => Buffer.from(lines.join('\n'), 'latin1');

test('the subject and the text are read, and no other header', () => {
  const mail = readMail(mailOf('From: spammer@x', 'Subject: Hello', '  there', 'X-Spam: yes', '', 'Dear friend', '', 'bye'));
  expect(mail).toEqual({ subject: 'Hello there', body: 'Dear friend\n\nbye' });
});

test('subjects in encoded words are decoded, also when they are in pieces', () => {
  expect(readMail(mailOf('Subject: =?iso-8859-1?Q?Gr=FC=DFe_an?= =?utf-8?B?IGFsbGU=?= !', '', '')).subject).toBe('Grüße an alle !');
});

test('quoted-printable and base64 are decoded, by their charsets', () => {
  const quoted = mailOf('Content-Type: text/plain; charset="utf-8"', 'Content-Transfer-Encoding: quoted-printable', '', 'caf=C3=A9 is =', 'open=3D');
  expect(readMail(quoted).body).toBe('café is open=');
  const base = mailOf('Content-Type: text/plain; charset=koi8-r', 'Content-Transfer-Encoding: base64', '', Buffer.from([0xf0, 0xf2]).toString('base64'));
  expect(readMail(base).body).toBe('ПР');
});

test('bytes of no charset that is named are read as Windows wrote them', () => {
  expect(readMail(Buffer.from([0x0a, 0x0a, 0x93, 0x68, 0x69, 0x94])).body).toBe('“hi”');
  expect(readMail(mailOf('Content-Type: text/plain; charset=no-such', '', 'caf\xe9')).body).toBe('café');
});

test('of alternatives the plain text is read, of other parts all texts, of attachments nothing', () => {
  const parts = mailOf(
    'Content-Type: multipart/mixed; boundary="outer"',
    '',
    'preamble',
    '--outer',
    'Content-Type: multipart/alternative; boundary=inner',
    '',
    '--inner',
    'Content-Type: text/plain',
    '',
    'plain',
    '--inner',
    'Content-Type: text/html',
    '',
    '<b>page</b>',
    '--inner--',
    '--outer',
    'Content-Type: application/pdf',
    '',
    'JVBERi0=',
    '--outer',
    'Content-Type: text/plain',
    'Content-Disposition: attachment; filename=x',
    '',
    'attached',
    '--outer',
    'Content-Type: message/rfc822',
    '',
    'Subject: inner',
    '',
    'forwarded',
    '--outer--',
    'epilogue',
  );
  expect(readMail(parts).body).toBe('plain\nforwarded');
});

test('pages are read as they are shown', () => {
  const page =
    '<html><head><title>t</title><style>p {}</style></head><body>V<!-- x -->ia<b>gra</b> &amp; more&nbsp;&#33;<br>new<p>line<script>run()</script></body>';
  expect(stripTags(page).replace(/\s+/g, ' ').trim()).toBe('Viagra & more ! new line');
  expect(readMail(mailOf('Content-Type: text/html', '', page)).body).toContain('Viagra');
  expect(readMail(mailOf('', page)).body).toContain('Viagra');
});

test('nothing that is sent makes it fail', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'Subject: ',
      'Content-Type: multipart/mixed; boundary=b',
      '--b',
      '--b--',
      '\n',
      '\n\n',
      '=?utf-8?q?',
      '?=',
      '=C3',
      '<',
      '<!--',
      '&#99999999;',
      'Content-Transfer-Encoding: base64\n',
    ),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const { subject, body } = readMail(Buffer.from(pieces.join(''), 'utf8'));
      expect(typeof subject).toBe('string');
      expect(body.length).toBeLessThanOrEqual(400_000);
    }),
  );
});

test.each(['<', '<!--', '<a ', '&', '=?a?q?', '--b\n', 'Content-Type: multipart/mixed; boundary=b\n\n--b\n', '<script', '=\n'])(
  'a large mail of "%s" is read to its end',
  (part) => {
    const { body } = readMail(Buffer.from(`Content-Type: text/html; boundary=b\n\n${part.repeat(Math.ceil(200_000 / part.length))}`));
    expect(body.length).toBeLessThanOrEqual(400_000);
  },
);
