import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../errors/index.ts';
import { outcomeOf, type RawAnswer, type RequestInfo, type RouteKind } from './outcome.ts';

const asked = (kind: RouteKind, withToken = true): RequestInfo => ({
  kind,
  what: 'dataset x',
  baseUrl: 'https://api.example/v1',
  ids: [],
  withToken,
  secrets: ['s3cret'],
});
const answered = (status: number, body: unknown = '', extra: Partial<RawAnswer> = {}): RawAnswer => ({
  status,
  text: typeof body === 'string' ? body : JSON.stringify(body),
  requestId: 'r-1',
  retryAfter: undefined,
  date: undefined,
  ...extra,
});

describe('outcomeOf', () => {
  it('is no error for 2xx', () => {
    for (const status of [200, 201, 202, 204])
      expect(outcomeOf(asked('read'), answered(status))).toBeUndefined();
  });

  const page = '<html><head><title>403 Forbidden</title></head></html>';
  const cases: Array<[RouteKind, number, unknown, ErrorCode]> = [
    ['read', 401, { error: 'token expired' }, 'NDI_E_LOGIN_EXPIRED'],
    ['read', 403, { message: 'Forbidden' }, 'NDI_E_FORBIDDEN'],
    ['read', 403, { message: 'The incoming token has expired' }, 'NDI_E_LOGIN_EXPIRED'],
    ['read', 403, { message: 'Missing Authentication Token' }, 'NDI_E_NOT_FOUND'],
    ['read', 403, page, 'NDI_E_CLOUD_UNAVAILABLE'],
    ['read', 404, { message: { error: 'Dataset not found' } }, 'NDI_E_NOT_FOUND'],
    ['read', 404, '<pre>Cannot GET /v1/x</pre>', 'NDI_E_NOT_FOUND'],
    ['write', 400, { message: 'User lacks canUploadDataset' }, 'NDI_E_FORBIDDEN'],
    ['write', 400, { message: 'name is required' }, 'NDI_E_BAD_REQUEST'],
    ['write', 400, { message: 'Dataset is published' }, 'NDI_E_DATASET_PUBLISHED'],
    ['write', 403, { message: 'published datasets are immutable' }, 'NDI_E_DATASET_PUBLISHED'],
    ['read', 403, { message: 'not published' }, 'NDI_E_FORBIDDEN'],
    ['write', 409, { heldBy: 'bo', heldUntil: 'x' }, 'NDI_E_LOCKED'],
    ['write', 423, '', 'NDI_E_LOCKED'],
    ['account', 409, { error: 'network licence registered' }, 'NDI_E_BAD_REQUEST'],
    ['write', 413, { message: 'Request Too Long' }, 'NDI_E_REQUEST_TOO_LARGE'],
    ['read', 429, '', 'NDI_E_RATE_LIMITED'],
    ['read', 500, 'An error occured.  Please check the logs.', 'NDI_E_CLOUD_UNAVAILABLE'],
    ['read', 500, { message: 'CastError: Cast to ObjectId failed' }, 'NDI_E_NOT_FOUND'],
    ['read', 502, page, 'NDI_E_CLOUD_UNAVAILABLE'],
    ['write', 504, { message: 'Endpoint request timed out' }, 'NDI_E_GATEWAY_TIMEOUT'],
    ['read', 307, '', 'NDI_E_SETTING'],
    ['read', 418, '', 'NDI_E_BAD_REQUEST'],
    ['login', 401, { message: 'Incorrect username or password.' }, 'NDI_E_WRONG_PASSWORD'],
    ['login', 404, { message: 'User not found' }, 'NDI_E_WRONG_PASSWORD'],
    ['login', 404, '<pre>Cannot POST /auth/login</pre>', 'NDI_E_SETTING'],
    ['login', 404, page, 'NDI_E_SETTING'],
    ['login', 403, { message: 'Forbidden' }, 'NDI_E_CLOUD_UNAVAILABLE'],
    ['login', 403, page, 'NDI_E_CLOUD_UNAVAILABLE'],
    ['login', 403, { message: 'Missing Authentication Token' }, 'NDI_E_SETTING'],
    ['login', 403, { message: 'Wrong password' }, 'NDI_E_WRONG_PASSWORD'],
    ['login', 400, { code: 'NotAuthorizedException' }, 'NDI_E_WRONG_PASSWORD'],
    ['login', 400, { code: 'LimitExceededException' }, 'NDI_E_RATE_LIMITED'],
    ['login', 400, { code: 'InvalidParameterException' }, 'NDI_E_BAD_REQUEST'],
    ['login', 503, '', 'NDI_E_CLOUD_UNAVAILABLE'],
    ['login', 504, '', 'NDI_E_GATEWAY_TIMEOUT'],
  ];
  it.each(cases)('%s %i %j is %s', (kind, status, body, code) => {
    expect(outcomeOf(asked(kind), answered(status, body))?.code).toBe(code);
  });

  it('asks for a login where the call went out without a token', () => {
    for (const status of [401, 403]) {
      expect(outcomeOf(asked('read', false), answered(status, { message: 'Forbidden' }))?.code).toBe(
        'NDI_E_NO_CREDENTIALS',
      );
    }
  });

  it('finds the message in every shape of body, and says status, subject and request id', () => {
    const bodies: unknown[] = [
      'went wrong',
      JSON.stringify('went wrong'),
      { message: 'went wrong' },
      { message: { error: 'went wrong' } },
      { error: 'went wrong' },
      { error: { message: 'went wrong' } },
      { errors: { message: 'went wrong' } },
      { code: 'went wrong' },
    ];
    for (const body of bodies) {
      const error = outcomeOf(asked('read'), answered(400, body));
      expect(error?.message, JSON.stringify(body)).toContain(
        'dataset x (HTTP 400: went wrong) [request r-1]',
      );
    }
  });

  it('keeps the code that the cloud gives besides its message', () => {
    const body = { code: 'MATLAB_LICENSE_REQUIRED', message: 'A license is required' };
    expect(outcomeOf(asked('account'), answered(400, body))?.message).toContain(
      '(HTTP 400: A license is required [MATLAB_LICENSE_REQUIRED])',
    );
    const errors = { errors: ['went wrong'], code: 'X' };
    expect(outcomeOf(asked('read'), answered(400, errors))?.message).toContain('(HTTP 400: went wrong [X])');
  });

  it('repeats no secret of the request', () => {
    const error = outcomeOf(
      asked('login'),
      answered(401, { message: 'wrong: s3cret at https://h/p?sig=abc' }),
    );
    expect(error?.message).toContain('wrong: *** at https://h/p?***');
    expect(JSON.stringify(error)).not.toMatch(/s3cret|sig=abc/);
  });

  it('has an answer to any status and body, short, on one line and without the secret', () => {
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ message: value })),
    );
    const kinds = fc.constantFrom<RouteKind>('login', 'account', 'read', 'write', 'lifecycle');
    fc.assert(
      fc.property(
        kinds,
        fc.integer({ min: 100, max: 599 }),
        bodies,
        bodies,
        (kind, status, before, after) => {
          const error = outcomeOf(asked(kind), answered(status, `${before}s3cret${after}`));
          expect(error === undefined).toBe(status >= 200 && status < 300);
          if (error === undefined) return;
          expect(error?.message).not.toContain('s3cret');
          expect(error.detail?.length).toBeLessThan(500);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
          expect(error.detail).not.toMatch(/[\u0000-\u001f]/);
        },
      ),
    );
  });

  it('reads Retry-After in seconds, as a date by the clock of the server, and from a lock', () => {
    const retryMs = (extra: Partial<RawAnswer>, body: unknown = '') =>
      outcomeOf(asked('write'), answered(429, body, extra))?.retryAfterMs;
    const date = 'Sat, 01 Jan 2000 00:00:00 GMT';
    expect(retryMs({ retryAfter: '7' })).toBe(7_000);
    expect(retryMs({ retryAfter: 'Sat, 01 Jan 2000 00:01:30 GMT', date })).toBe(90_000);
    expect(retryMs({ retryAfter: 'Fri, 31 Dec 1999 00:00:00 GMT', date })).toBe(0);
    expect(retryMs({ retryAfter: '999999' })).toBe(3_600_000);
    expect(retryMs({ retryAfter: 'soon' })).toBeUndefined();
    expect(retryMs({ date }, { heldUntil: '2000-01-01T00:00:10Z' })).toBe(10_000);
    expect(retryMs({})).toBeUndefined();
  });
});
