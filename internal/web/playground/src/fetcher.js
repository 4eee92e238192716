import { getOperationAST } from 'graphql';

const ENDPOINT = '/graphql';

/**
 * Posts one GraphQL request (GraphQL over HTTP) and answers the parsed response body.
 * `headers` are those of the tab's headers editor; they win over the key of the key field.
 */
export async function post(request, { key, headers = {}, signal } = {}) {
  const all = new Headers({
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json;q=0.9',
  });
  if (key) all.set('authorization', `Bearer ${key}`);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const response = await fetch(ENDPOINT, { method: 'POST', headers: all, body: JSON.stringify(request), signal });
  if (!/^application\/(graphql-response\+)?json\b/.test(response.headers.get('content-type') ?? '')) {
    throw new Error(`The server answered ${response.status} ${response.statusText} without GraphQL.`);
  }
  return response.json();
}

/** A GraphiQL fetcher; `onMutation` is called after each mutation, whatever its outcome. */
export function createFetcher(getKey, onMutation) {
  return async (request, { headers, documentAST } = {}) => {
    try {
      return await post(request, { key: getKey(), headers });
    } finally {
      if (documentAST && getOperationAST(documentAST, request.operationName)?.operation === 'mutation') onMutation();
    }
  };
}
