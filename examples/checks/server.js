// The server under test, and what the tests put into it.
//
//   KEYTAG_URL    its base URL
//   KEYTAG_TOKEN  an administrator's key
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const { KEYTAG_URL, KEYTAG_TOKEN } = process.env;
if (!KEYTAG_URL || !KEYTAG_TOKEN) throw new Error('KEYTAG_URL and KEYTAG_TOKEN must name a running server and an administrator’s key.');

export const endpoint = `${KEYTAG_URL}/graphql`;
export const authorization = { authorization: `Bearer ${KEYTAG_TOKEN}` };

/** The project's own folder, with a slash at its end. */
export const root = fileURLToPath(new URL('../../', import.meta.url));
export const schemaText = () => readFile(`${root}schema.graphqls`, 'utf8');

/** Asks by plain HTTP and gives `data`. */
export async function ask(query, variables) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { ...authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

/** Makes as many keys with this one scope; gives their project and their ids, oldest first. */
export async function makeKeys(scope, count) {
  const { viewerKey } = await ask('{ viewerKey { project { id } } }');
  const projectId = viewerKey.project.id;
  const ids = [];
  for (let i = 1; i <= count; i++) {
    const { createApiKey } = await ask(
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } userErrors { message } } }',
      { input: { projectId, name: `${scope} ${i}`, scopes: [scope] } },
    );
    assert.deepEqual(createApiKey.userErrors, []);
    ids.push(createApiKey.apiKey.id);
  }
  return { projectId, ids };
}
