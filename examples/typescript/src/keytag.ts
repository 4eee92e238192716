import type { TypedDocumentString } from './gql/graphql.js';

/** What stood in the way of a whole request; `code` is one of docs/lifecycle.md, such as `auth.unauthenticated`. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly code: string | undefined,
    readonly status: number,
  ) {
    super(message);
  }
}

/** What a caller can correct, as every payload tells it. */
export interface UserError {
  code: string;
  message: string;
  fields: string[];
}

export class UserErrors extends Error {
  constructor(readonly errors: readonly UserError[]) {
    super(errors.map(({ code, message }) => `${code}: ${message}`).join('; '));
  }
}

/** Throws what `userErrors` tells; then the payload holds its results. */
export function settled<P extends { userErrors: UserError[] }>(payload: P | null | undefined): P {
  if (!payload) throw new Error('no payload');
  if (payload.userErrors.length > 0) throw new UserErrors(payload.userErrors);
  return payload;
}

export class Keytag {
  /** `url` is the server's base URL, `token` an API key. */
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Runs one operation; throws a RequestError if any part of it failed. */
  async run<R, V>(document: TypedDocumentString<R, V>, ...[variables]: V extends Record<string, never> ? [] : [V]): Promise<R> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json',
        authorization: `Bearer ${this.token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    const { data, errors } = (await response.json()) as {
      data?: R;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const error = errors?.[0];
    if (error) throw new RequestError(error.message, error.extensions?.code, response.status);
    return data as R;
  }
}
