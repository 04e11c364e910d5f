/** Login and passwords: A1–A7 (NDI Cloud contract §2.1). Failures carry Cognito's codes. */
import { type Api, type Ask, textOf, userOf } from './http.ts';
import { ok, refuse, type UserRow } from './refusal.ts';
import { newCode, passwordIsWeak, userRecord } from './users.ts';

const cognito = (code: string, status = 400) => refuse(status, { code });

const byEmail = (ask: Ask, email: unknown): UserRow | undefined =>
  ask.cloud.store.get<UserRow>('SELECT * FROM users WHERE email=?', textOf(email));

export function registerAuth(api: Api): void {
  api.route('POST', '/auth/login', 'none', login);
  // The token stays valid for its hour: nothing says that the server revokes it (§10 row 29).
  api.route('POST', '/auth/logout', 'required', () => ok({ message: 'Logged out' }));
  api.route('POST', '/auth/confirmation/resend', 'none', resend);
  api.route('POST', '/auth/verify', 'none', verify);
  api.route('POST', '/auth/password', 'required', changePassword);
  api.route('POST', '/auth/password/forgot', 'none', resend);
  api.route('POST', '/auth/password/confirm', 'none', confirmPassword);
}

async function login(ask: Ask) {
  const body = await ask.object();
  const user = byEmail(ask, body.email);
  if (user === undefined) throw cognito('UserNotFoundException', 404);
  if (user.password !== body.password) throw cognito('NotAuthorizedException', 401);
  if (user.is_validated === 0) throw cognito('UserNotConfirmedException');
  return ok({ token: await ask.cloud.tokens.issue(user), user: userRecord(ask.cloud, user) });
}

/** A new code; it goes nowhere (no mail here), the control endpoint shows it. */
export async function resend(ask: Ask) {
  const user = byEmail(ask, (await ask.object()).email);
  if (user === undefined) throw cognito('UserNotFoundException');
  ask.cloud.store.run('UPDATE users SET code=? WHERE id=?', newCode(), user.id);
  return ok({ message: 'Code sent' });
}

export async function verify(ask: Ask) {
  const body = await ask.object();
  const user = byEmail(ask, body.email);
  if (user === undefined) throw cognito('UserNotFoundException');
  if (user.code === null) throw cognito('ExpiredCodeException');
  if (user.code !== String(body.confirmationCode)) throw cognito('CodeMismatchException');
  ask.cloud.store.run('UPDATE users SET is_validated=1, code=NULL WHERE id=?', user.id);
  return ok({ message: 'Verified' });
}

export async function changePassword(ask: Ask) {
  const user = userOf(ask);
  const body = await ask.object();
  if (body.oldPassword !== user.password) throw cognito('NotAuthorizedException');
  const password = textOf(body.newPassword);
  if (passwordIsWeak(password)) throw cognito('InvalidPasswordException');
  ask.cloud.store.run('UPDATE users SET password=? WHERE id=?', password, user.id);
  return ok({ message: 'Password changed' });
}

/** 200 for success and for failure: the quirk of A7. */
export async function confirmPassword(ask: Ask) {
  const body = await ask.object();
  const user = byEmail(ask, body.email);
  const password = textOf(body.newPassword);
  const failed = (code: string) => ok({ errors: [code], code });
  if (user === undefined) return failed('UserNotFoundException');
  if (user.code === null) return failed('ExpiredCodeException');
  if (user.code !== String(body.confirmationCode)) return failed('CodeMismatchException');
  if (passwordIsWeak(password)) return failed('InvalidPasswordException');
  ask.cloud.store.run('UPDATE users SET password=?, code=NULL WHERE id=?', password, user.id);
  return ok({});
}
