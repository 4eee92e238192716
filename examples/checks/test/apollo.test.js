import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import { buildSchema } from 'graphql';
import { authorization, endpoint, makeKeys, schemaText } from '../server.js';
import { createKey, keysByScope, organization, whoAmI } from '../operations.js';

const scope = 'apollo:read';
let projectId;
let possibleTypes;
before(async () => {
  ({ projectId } = await makeKeys(scope, 5));
  const schema = buildSchema(await schemaText());
  const names = (type) => schema.getPossibleTypes(schema.getType(type)).map(({ name }) => name);
  possibleTypes = { UserError: names('UserError') };
});

const client = (headers = authorization) =>
  new ApolloClient({
    link: new HttpLink({ uri: endpoint, headers }),
    cache: new InMemoryCache({
      possibleTypes,
      typePolicies: { Query: { fields: { apiKeys: relayStylePagination(['filter', 'orderBy']) } } },
    }),
  });

test('a query', async () => {
  const { data } = await client().query({ query: gql(whoAmI) });
  assert.equal(data.viewerKey.status, 'ACTIVE');
});

test('a persisted query: named by its hash, sent when it is not known, and never again', async () => {
  const query = gql`query Persisted { viewerKey { id status } }`;
  const sent = [];
  const counted = (uri, options) => {
    sent.push(JSON.parse(options.body).query === undefined ? 'hash' : 'document');
    return fetch(uri, options);
  };
  const persisting = () =>
    new ApolloClient({
      link: new PersistedQueryLink({ sha256: (text) => createHash('sha256').update(text).digest('hex') }).concat(
        new HttpLink({ uri: endpoint, headers: authorization, fetch: counted }),
      ),
      cache: new InMemoryCache(),
    });
  for (let i = 0; i < 2; i++) {
    const { data } = await persisting().query({ query });
    assert.equal(data.viewerKey.status, 'ACTIVE');
  }
  assert.deepEqual(sent, ['hash', 'document', 'hash']);
});

test('a mutation that makes a key, and one whose user errors are data', async () => {
  const apollo = client();
  const made = await apollo.mutate({ mutation: gql(createKey), variables: { input: { projectId, name: 'apollo made' } } });
  assert.match(made.data.createApiKey.apiKey.id, /^key_/);

  const refused = await apollo.mutate({
    mutation: gql(createKey),
    variables: { input: { projectId, name: 'apollo refused', expiresIn: 'P9Y' } },
  });
  const [{ __typename, code, fields, maximum }] = refused.data.createApiKey.userErrors;
  assert.deepEqual([__typename, code, fields], ['ExpiryOutOfRangeError', 'api_keys.expiry_out_of_range', ['expiresIn']]);
  assert.ok(Date.parse(maximum) > Date.now());
});

test('a connection grows page by page in its normalized cache', async () => {
  const apollo = client();
  const variables = { scopes: [scope], first: 2 };
  const keys = apollo.watchQuery({ query: gql(keysByScope), variables });
  const subscription = keys.subscribe({});
  await keys.refetch();
  const shown = () => apollo.readQuery({ query: gql(keysByScope), variables }).apiKeys;
  const lengths = [shown().edges.length];
  while (lengths.length < 9 && shown().pageInfo.hasNextPage) {
    await keys.fetchMore({ variables: { after: shown().pageInfo.endCursor } });
    lengths.push(shown().edges.length);
  }
  subscription.unsubscribe();
  assert.deepEqual(lengths, [2, 4, 5]);
  assert.deepEqual(shown().edges.map(({ node }) => node.name), [1, 2, 3, 4, 5].map((i) => `${scope} ${i}`));
});

test('without a key the code of the refusal arrives', async () => {
  await assert.rejects(client({}).query({ query: gql(organization) }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.deepEqual(error.errors.map(({ extensions }) => extensions.code), ['auth.unauthenticated']);
    return true;
  });
});

test('a wrong key is refused with its code', async () => {
  await assert.rejects(client({ authorization: 'Bearer ktg_wrong' }).query({ query: gql(whoAmI) }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.deepEqual(error.errors.map(({ extensions }) => extensions.code), ['api_keys.invalid']);
    return true;
  });
});
