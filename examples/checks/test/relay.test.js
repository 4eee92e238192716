import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import relay from 'relay-runtime';
import { authorization, endpoint, makeKeys } from '../server.js';
import createMutation from '../relay/__generated__/keysScreenCreateMutation.graphql.js';
import keyFragment from '../relay/__generated__/keysScreen_key.graphql.js';
import keyQuery from '../relay/__generated__/keysScreenKeyQuery.graphql.js';
import pageQuery from '../relay/__generated__/keysScreenPageQuery.graphql.js';
import projectFragment from '../relay/__generated__/keysScreen_project.graphql.js';
import screenQuery from '../relay/__generated__/keysScreenQuery.graphql.js';

const { ConnectionHandler, Environment, Network, RecordSource, Store, commitMutation, createOperationDescriptor, fetchQuery, getSingularSelector } = relay;

const scope = 'relay:read';
let projectId;
before(async () => ({ projectId } = await makeKeys(scope, 5)));

function environment(headers = authorization) {
  const network = Network.create(async ({ text }, variables) => {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  });
  return new Environment({ network, store: new Store(new RecordSource()) });
}

/** What a component with the fragment shows, of the object the reference stands for. */
function read(env, fragment, reference) {
  const snapshot = env.lookup(getSingularSelector(fragment, reference));
  assert.equal(snapshot.isMissingData, false);
  return snapshot.data;
}

/** Fetches the screen's first page and keeps what it shows from being dropped. */
async function open(env, count) {
  const variables = { scopes: [scope], count };
  const data = await fetchQuery(env, screenQuery, variables).toPromise();
  env.retain(createOperationDescriptor(screenQuery, variables));
  return data;
}

test('a connection grows page by page', async () => {
  const env = environment();
  const { viewer, viewerKey } = await open(env, 2);
  assert.equal(viewer.login, 'admin');
  const shown = () => read(env, projectFragment, viewerKey.project).apiKeys;

  assert.equal(shown().totalCount, 5);
  const lengths = [shown().edges.length];
  while (lengths.length < 9 && shown().pageInfo.hasNextPage) {
    await fetchQuery(env, pageQuery, { id: projectId, scopes: [scope], count: 2, cursor: shown().pageInfo.endCursor }).toPromise();
    lengths.push(shown().edges.length);
  }
  assert.deepEqual(lengths, [2, 4, 5]);
  const keys = shown().edges.map(({ node }) => read(env, keyFragment, node));
  assert.deepEqual(keys.map(({ name }) => name), [1, 2, 3, 4, 5].map((i) => `${scope} ${i}`));
});

test('a key is fetched again by its id', async () => {
  const env = environment();
  const { ids } = await makeKeys('relay:refetch', 1);
  const { node } = await fetchQuery(env, keyQuery, { id: ids[0] }).toPromise();
  assert.equal(read(env, keyFragment, node).status, 'ACTIVE');
});

const create = (env, input, connections) =>
  new Promise((resolve, reject) => {
    commitMutation(env, {
      mutation: createMutation,
      variables: { input, connections },
      onCompleted: (data, errors) => (errors ? reject(errors) : resolve(data.createApiKey)),
      onError: reject,
    });
  });

test('a mutation puts the new key into the connection', async () => {
  const env = environment();
  const { viewerKey } = await open(env, 10);
  const before = read(env, projectFragment, viewerKey.project).apiKeys.edges.length;
  const connection = ConnectionHandler.getConnectionID(projectId, 'keysScreen_apiKeys', {
    filter: { scopes: { all: [scope] } },
    orderBy: { field: 'NAME', direction: 'ASC' },
  });
  const { userErrors } = await create(env, { projectId, name: 'relay appended', scopes: ['relay:other'] }, [connection]);
  assert.deepEqual(userErrors, []);
  const { edges } = read(env, projectFragment, viewerKey.project).apiKeys;
  assert.equal(edges.length, before + 1);
  assert.equal(read(env, keyFragment, edges.at(-1).node).name, 'relay appended');
});

test('user errors of a mutation are data, with what their type tells', async () => {
  const { apiKey, userErrors } = await create(environment(), { projectId, name: 'relay refused', expiresIn: 'P9Y' }, []);
  assert.equal(apiKey, null);
  const [{ __typename, code, maximum }] = userErrors;
  assert.deepEqual({ __typename, code }, { __typename: 'ExpiryOutOfRangeError', code: 'api_keys.expiry_out_of_range' });
  assert.ok(Date.parse(maximum) > Date.now());
});

// Relay looks at errors only where no data came; a field that failed beside others is null to it.
test('without a key there is nothing, with a wrong one the code of the refusal arrives', async () => {
  assert.deepEqual(await fetchQuery(environment({}), keyQuery, { id: projectId }).toPromise(), { node: null });

  const refused = fetchQuery(environment({ authorization: 'Bearer ktg_wrong' }), keyQuery, { id: projectId }).toPromise();
  await assert.rejects(refused, ({ source }) => {
    assert.deepEqual(source.errors.map(({ extensions }) => extensions.code), ['api_keys.invalid']);
    return true;
  });
});
