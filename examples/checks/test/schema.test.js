import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildClientSchema, buildSchema, getIntrospectionQuery, isIntrospectionType, isSpecifiedScalarType, printType } from 'graphql';
import { ask, root, schemaText } from '../server.js';

/** What breaks clients on the way from one schema to another. */
async function broken(from, to) {
  const changes = await diff(buildSchema(from), buildSchema(to));
  return changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking).map((change) => change.message);
}

/** Every type that is not built in. */
function types(schema) {
  const own = Object.values(schema.getTypeMap()).filter((type) => !isSpecifiedScalarType(type) && !isIntrospectionType(type));
  return own.map(printType).sort();
}

test('the server serves the schema of schema.graphqls', async () => {
  const served = buildClientSchema(await ask(getIntrospectionQuery()));
  assert.deepEqual(types(served), types(buildSchema(await schemaText())));
});

test('nothing published is broken; make schema-publish publishes knowingly', async () => {
  const published = await readFile(`${root}docs/schema-published.graphqls`, 'utf8');
  assert.deepEqual(await broken(published, await schemaText()), []);
});

test('what is removed, becomes nullable or is demanded is found', async () => {
  const schema = await schemaText();
  for (const [from, to, found] of [
    ['  revokedAt: DateTime\n', '  endedAt: DateTime\n', "Field 'revokedAt' was removed from object type 'ApiKey'"],
    ['  status: ApiKeyStatus!\n', '  status: ApiKeyStatus\n', "Field 'ApiKey.status' changed type from 'ApiKeyStatus!' to 'ApiKeyStatus'"],
    ['  ownerId: ID\n', '  ownerId: ID!\n', "Input field 'CreateApiKeyInput.ownerId' changed type from 'ID' to 'ID!'"],
  ]) {
    assert.ok(schema.includes(from));
    assert.deepEqual(await broken(schema, schema.replace(from, to)), [found]);
  }
});
