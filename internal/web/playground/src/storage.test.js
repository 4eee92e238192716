import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStorage, withoutCredentials } from './storage.js';

const KEY = `ktg_4fQ9xT2aB1_${'a1B2'.repeat(9)}zZ`;

function memory() {
  const backing = {};
  const method = (value) => ({ value, enumerable: false });
  return Object.defineProperties(backing, {
    getItem: method((name) => backing[name] ?? null),
    setItem: method((name, value) => void (backing[name] = value)),
    removeItem: method((name) => void delete backing[name]),
  });
}

test('history keeps queries and loses headers', () => {
  const history = JSON.stringify({
    queries: [{ query: '{ viewerKey { id } }', headers: '{"Authorization":"Bearer other-token"}' }],
  });
  assert.equal(
    withoutCredentials(history),
    JSON.stringify({ queries: [{ query: '{ viewerKey { id } }', headers: null }] }),
  );
});

test('keys are cut out of queries and of variables nested in JSON', () => {
  const tabs = JSON.stringify({ tabs: [{ query: `# ${KEY}`, variables: JSON.stringify({ secret: KEY }) }] });
  for (const value of [tabs, `{ a } # ${KEY}`, KEY]) {
    const kept = withoutCredentials(value);
    assert.ok(!kept.includes(KEY));
    assert.ok(kept.includes('[key removed]'));
  }
});

test('what holds no credential keeps its layout', () => {
  const variables = '{\n  "scopes": ["deploy:write"]\n}';
  assert.equal(withoutCredentials(variables), variables);
});

test('a public prefix is no credential', () => {
  assert.equal(withoutCredentials('{ keyPrefix: "ktg_4fQ9xT2aB1" }'), '{ keyPrefix: "ktg_4fQ9xT2aB1" }');
});

test('the headers editor is never written', () => {
  const backing = memory();
  createStorage(backing).setItem('graphiql:headers', '{"Authorization":"Bearer x"}');
  assert.deepEqual(Object.keys(backing), []);
});

test('clear leaves what others stored', () => {
  const backing = memory();
  backing.setItem('console:theme', 'dark');
  const storage = createStorage(backing);
  storage.setItem('graphiql:theme', 'dark');
  assert.equal(storage.length, 1);
  storage.clear();
  assert.deepEqual(Object.keys(backing), ['console:theme']);
});
