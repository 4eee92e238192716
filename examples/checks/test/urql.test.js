import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client, fetchExchange, cacheExchange as documentCache } from '@urql/core';
import { cacheExchange as graphcache } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { authorization, endpoint, makeKeys } from '../server.js';
import { createKey, keysByScope, organization, whoAmI } from '../operations.js';

const scope = 'urql:read';
let projectId;
before(async () => ({ projectId } = await makeKeys(scope, 5)));

const client = (cache = documentCache, headers = authorization) =>
  new Client({ url: endpoint, exchanges: [cache, fetchExchange], fetchOptions: { headers } });

test('a query', async () => {
  const { data, error } = await client().query(whoAmI, {});
  assert.equal(error, undefined);
  assert.equal(data.viewerKey.status, 'ACTIVE');
});

test('a mutation that makes a key, and one whose user errors are data', async () => {
  const urql = client();
  const made = await urql.mutation(createKey, { input: { projectId, name: 'urql made' } });
  assert.equal(made.error, undefined);
  assert.match(made.data.createApiKey.apiKey.id, /^key_/);

  const refused = await urql.mutation(createKey, { input: { projectId, name: 'urql refused', expiresIn: 'P9Y' } });
  assert.equal(refused.error, undefined);
  const [{ __typename, code, fields, maximum }] = refused.data.createApiKey.userErrors;
  assert.deepEqual([__typename, code, fields], ['ExpiryOutOfRangeError', 'api_keys.expiry_out_of_range', ['expiresIn']]);
  assert.ok(Date.parse(maximum) > Date.now());
});

test('a connection grows page by page in its normalized cache', async () => {
  const urql = client(graphcache({ resolvers: { Query: { apiKeys: relayPagination() } } }));
  const lengths = [];
  for (let after = null; lengths.length < 9; ) {
    const { data, error } = await urql.query(keysByScope, { scopes: [scope], first: 2, after });
    assert.equal(error, undefined);
    lengths.push(data.apiKeys.edges.length);
    after = data.apiKeys.pageInfo.endCursor;
    if (data.apiKeys.pageInfo.hasNextPage) continue;
    assert.deepEqual(data.apiKeys.edges.map(({ node }) => node.name), [1, 2, 3, 4, 5].map((i) => `${scope} ${i}`));
    break;
  }
  assert.deepEqual(lengths, [2, 4, 5]);
});

test('without a key the code of the refusal arrives', async () => {
  const { data, error } = await client(documentCache, {}).query(organization, {});
  assert.deepEqual(data, { organization: null });
  assert.deepEqual(error.graphQLErrors.map(({ extensions }) => extensions.code), ['auth.unauthenticated']);
});

test('a wrong key is refused with 401 and its code', async () => {
  const { error } = await client(documentCache, { authorization: 'Bearer ktg_wrong' }).query(whoAmI, {});
  assert.equal(error.response.status, 401);
  assert.deepEqual(error.graphQLErrors.map(({ extensions }) => extensions.code), ['api_keys.invalid']);
});
