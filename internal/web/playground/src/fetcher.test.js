import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'graphql';
import { createFetcher } from './fetcher.js';

function serve(t, body, contentType = 'application/graphql-response+json') {
  return t.mock.method(globalThis, 'fetch', async () => new Response(body, { headers: { 'content-type': contentType } }));
}

const sentHeaders = (fetch) => fetch.mock.calls.at(-1).arguments[1].headers;

test('the key goes out as a bearer token, to the own origin only', async (t) => {
  const fetch = serve(t, '{"data":{}}');
  await createFetcher(() => 'the-key', () => {})({ query: '{ a }' });
  assert.equal(fetch.mock.calls[0].arguments[0], '/graphql');
  assert.equal(sentHeaders(fetch).get('authorization'), 'Bearer the-key');
});

test('without a key there is no authorization', async (t) => {
  const fetch = serve(t, '{"data":{}}');
  await createFetcher(() => '', () => {})({ query: '{ a }' });
  assert.equal(sentHeaders(fetch).get('authorization'), null);
});

test('headers of the tab win, whatever their case', async (t) => {
  const fetch = serve(t, '{"data":{}}');
  const headers = { Authorization: 'Bearer of-the-tab', 'X-Request-Id': '7' };
  await createFetcher(() => 'the-key', () => {})({ query: '{ a }' }, { headers });
  assert.equal(sentHeaders(fetch).get('authorization'), 'Bearer of-the-tab');
  assert.equal(sentHeaders(fetch).get('x-request-id'), '7');
});

test('mutations are reported, queries are not', async (t) => {
  serve(t, '{"data":{}}');
  let mutations = 0;
  const fetcher = createFetcher(() => '', () => mutations++);
  const documentAST = parse('query Read { a } mutation Write { b }');
  await fetcher({ operationName: 'Read' }, { documentAST });
  assert.equal(mutations, 0);
  await fetcher({ operationName: 'Write' }, { documentAST });
  assert.equal(mutations, 1);
});

test('an answer that is no GraphQL is named, not parsed', async (t) => {
  serve(t, '<html>', 'text/html');
  await assert.rejects(createFetcher(() => '', () => {})({ query: '{ a }' }), /answered 200 .*without GraphQL/);
});
