import { describe, expect, it } from 'vitest';
import { tokenFor } from '../../test/setup/http-server.ts';
import { sanitize } from './sanitize.ts';

describe('sanitize', () => {
  it('hides tokens, passwords and signed queries', () => {
    const token = tokenFor('a@example.org', 60);
    const text = [
      `sent Authorization: Bearer ${token}`,
      token,
      'https://user:hunter2@bucket.example.org/key?X-Amz-Signature=abcdef&X-Amz-Credential=AKIA#x end',
      '{"password":"hunter2","token": "t0ken"}',
      'password=hunter2&x=1',
      'the exact one: s3cret',
    ].join('\n');
    const safe = sanitize(text, ['s3cret']);
    for (const secret of [token, 'hunter2', 'abcdef', 'AKIA', 't0ken', 's3cret'])
      expect(safe).not.toContain(secret);
    expect(safe).toContain('https://***@bucket.example.org/key?*** end');
  });

  it('keeps one line of at most 300 characters, without control characters', () => {
    expect(sanitize('a\r\n\u001b[31mb\tc')).toBe('a [31mb c');
    expect(sanitize('x'.repeat(1000))).toHaveLength(300);
  });
});
