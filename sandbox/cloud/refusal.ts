/**
 * Answers and refusals of routes. The error bodies are the ones that were seen (NDI Cloud contract §2.0):
 * they differ on purpose.
 */

export interface UserRow {
  id: string;
  email: string;
  name: string;
  password: string;
  is_admin: number;
  is_validated: number;
  code: string | null;
  license: string | null;
}

/** Text is sent as JSON text that is ready to go; anything else is encoded. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly text?: string;
  readonly type?: string;
}

export const ok = (body: unknown, status = 200): Answer => ({ status, body });
export const okText = (text: string, status = 200): Answer => ({ status, body: undefined, text });

/** Thrown by a route to refuse; becomes the answer. */
export class Refusal extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(`refused with ${answer.status}`);
    this.answer = answer;
  }
}

export const refuse = (status: number, body: unknown): Refusal => new Refusal({ status, body });
export const badRequest = (message: string): Refusal => refuse(400, { message });
export const notFound = (message: string): Refusal => refuse(404, { message });
/** The backend's answer when Mongo cannot cast an id, and whenever else it breaks (§2.0). */
export const serverError = (): Refusal =>
  new Refusal({
    status: 500,
    body: undefined,
    text: 'An error occured.  Please check the logs.',
    type: 'text/plain',
  });
