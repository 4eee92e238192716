import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from '@graphql-eslint/eslint-plugin';
import { ESLint } from 'eslint';
import { root, schemaText } from '../server.js';

const relay = {
  '@graphql-eslint/relay-arguments': 'error',
  '@graphql-eslint/relay-connection-types': 'error',
  '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false }],
  '@graphql-eslint/relay-page-info': 'error',
};

const languageOptions = { parser: plugin.parser };
const plugins = { '@graphql-eslint': plugin };

// The schema and the operations are those of .graphqlrc.yml.
const project = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: [
    { files: ['schema.graphqls'], languageOptions, plugins, rules: relay },
    { files: ['**/*.ts'], processor: plugin.processor },
    { files: ['**/*.graphql'], languageOptions, plugins, rules: plugin.configs['flat/operations-recommended'].rules },
  ],
});

function complaints(results) {
  return results.flatMap(({ filePath, messages }) =>
    messages.map(({ line, ruleId, message }) => `${filePath.replace(root, '')}:${line} ${ruleId ?? ''} ${message}`),
  );
}

test('the schema keeps the Relay rules', async () => {
  const results = await project.lintFiles(['schema.graphqls']);
  assert.equal(results.length, 1);
  assert.deepEqual(complaints(results), []);
});

test('the operations of the examples are valid and well-kept', async () => {
  const results = await project.lintFiles(['examples/go/operations.graphql', 'examples/typescript/src/operations.ts']);
  assert.deepEqual(complaints(results), []);
});

test('an operation that does not fit the schema is found in either language', async () => {
  const wrong = 'query Wrong { viewerKey { id color } }';
  for (const [filePath, text] of [
    ['examples/go/operations.graphql', wrong],
    ['examples/typescript/src/operations.ts', `graphql(\`${wrong}\`);`],
  ]) {
    const found = complaints(await project.lintText(text, { filePath: root + filePath }));
    assert.ok(found.some((line) => line.includes('fields-on-correct-type')), found.join('\n'));
  }
});

test('each Relay rule finds what breaks it', async () => {
  const schema = await schemaText();
  for (const [from, to, rule] of [
    ['    first: Int\n', '    first: String\n', 'relay-arguments'],
    ['  pageInfo: PageInfo!\n', '  info: PageInfo!\n', 'relay-connection-types'],
    ['  cursor: String!\n', '  position: String!\n', 'relay-edge-types'],
    ['  hasNextPage: Boolean!\n', '  more: Boolean!\n', 'relay-page-info'],
  ]) {
    assert.ok(schema.includes(from));
    const broken = schema.replace(from, to);
    const eslint = new ESLint({
      cwd: root,
      overrideConfigFile: true,
      overrideConfig: [
        { files: ['**/*.graphqls'], languageOptions: { ...languageOptions, parserOptions: { graphQLConfig: { schema: broken } } }, plugins, rules: relay },
      ],
    });
    const [{ messages }] = await eslint.lintText(broken, { filePath: `${root}broken.graphqls` });
    assert.deepEqual([...new Set(messages.map(({ ruleId }) => ruleId))], [`@graphql-eslint/${rule}`], from);
  }
});
