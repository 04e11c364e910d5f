/**
 * The routes of logging in (NDI Cloud contract §2.1, A1–A7), as functions over a requester. Passwords and
 * codes go out in bodies and are listed as secrets, so that no message repeats them.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { anything, readAs, readLoosely } from './answers.ts';
import type { ApiAnswer, ApiCall, Requester } from './request.ts';
import { sanitize } from './sanitize.ts';

type Body = Readonly<Record<string, string>>;

function post(
  requester: Requester,
  route: string,
  json: Body | undefined,
  call: Pick<ApiCall, 'what'> & Partial<ApiCall>,
): Promise<ApiAnswer> {
  return requester.send({
    method: 'POST',
    path: ['auth', ...route.split('/')],
    json,
    kind: 'account',
    ...call,
  });
}

/**
 * A1. `token`; `accessToken` and `idToken` are tolerated because a proxy and an older port use them (§1.4).
 */
const loginAnswer = z
  .looseObject({ token: anything, accessToken: anything, idToken: anything, user: anything })
  .transform((answer, context) => {
    const token = [answer.token, answer.accessToken, answer.idToken].find(
      (candidate): candidate is string => typeof candidate === 'string' && /^[\x21-\x7e]+$/.test(candidate),
    );
    if (token === undefined) {
      context.addIssue({ code: 'custom', message: 'no token', path: ['token'] });
      return z.NEVER;
    }
    return { token };
  });

/**
 * A1. A token for an hour.
 * @throws NDI_E_WRONG_PASSWORD; a retryable error when the cloud cannot be asked
 */
export async function requestToken(
  requester: Requester,
  credentials: { readonly email: string; readonly password: string },
  signal?: AbortSignal,
): Promise<string> {
  const { email, password } = credentials;
  const answer = await post(
    requester,
    'login',
    { email, password },
    { kind: 'login', auth: 'none', what: `log in as ${email}`, secrets: [password], signal },
  );
  return readAs(answer, loginAnswer).token;
}

/** A2. Whether the server revokes the token is unknown (§10 no. 29). */
export async function requestLogout(requester: Requester, signal?: AbortSignal): Promise<void> {
  await post(requester, 'logout', undefined, { what: 'log out', signal });
}

/** A3. */
export async function resendConfirmation(requester: Requester, email: string): Promise<void> {
  await post(
    requester,
    'confirmation/resend',
    { email },
    { auth: 'none', what: `send a new code to ${email}` },
  );
}

/** A4. */
export async function verifyAccount(
  requester: Requester,
  email: string,
  confirmationCode: string,
): Promise<void> {
  const what = `confirm the account ${email}`;
  await post(
    requester,
    'verify',
    { email, confirmationCode },
    { auth: 'optional', what, secrets: [confirmationCode] },
  );
}

/** A5. */
export async function changePassword(
  requester: Requester,
  oldPassword: string,
  newPassword: string,
): Promise<void> {
  const secrets = [oldPassword, newPassword];
  await post(requester, 'password', { oldPassword, newPassword }, { what: 'change the password', secrets });
}

/** A6. */
export async function forgotPassword(requester: Requester, email: string): Promise<void> {
  await post(
    requester,
    'password/forgot',
    { email },
    { auth: 'optional', what: `reset the password of ${email}` },
  );
}

/**
 * A7. The server answers 200 for a failure, too, and tells by `{errors, code}`.
 * @throws NDI_E_BAD_REQUEST
 */
export async function confirmPassword(
  requester: Requester,
  email: string,
  confirmationCode: string,
  newPassword: string,
): Promise<void> {
  const secrets = [confirmationCode, newPassword];
  const what = `set a new password for ${email}`;
  const answer = await post(
    requester,
    'password/confirm',
    { email, confirmationCode, newPassword },
    { auth: 'none', what, secrets },
  );
  const said = readLoosely(answer);
  if (typeof said !== 'object' || said === null) return;
  const { code, errors } = said as { code?: unknown; errors?: unknown };
  if (errors === undefined || errors === null) return;
  const why = typeof code === 'string' ? code : JSON.stringify(errors);
  throw new CourierError('NDI_E_BAD_REQUEST', {
    detail: `${what} (${sanitize(why, secrets)})`,
    requestId: answer.requestId,
  });
}
