import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildSchema, getOperationAST, parse, validate } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { EXAMPLES } from './examples.js';

const schema = buildSchema(readFileSync(new URL('../../../../schema.graphqls', import.meta.url), 'utf8'));

for (const { title, query, variables } of EXAMPLES) {
  test(`${title} runs on the server's schema`, () => {
    const document = parse(query);
    assert.deepEqual(validate(schema, document), []);
    for (const viewerKey of [undefined, { project: { id: 'prj_1' } }]) {
      const definitions = getOperationAST(document).variableDefinitions;
      assert.equal(getVariableValues(schema, definitions, variables(viewerKey)).errors, undefined);
    }
  });
}
