import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../server.js';

const run = promisify(execFile);

const programs = {
  TypeScript: ['node', ['typescript/dist/main.js']],
  Go: ['go', ['-C', 'go', 'run', '.']],
};

for (const [language, [command, args]] of Object.entries(programs)) {
  test(`the ${language} client leads a key through its life`, async () => {
    const { stdout } = await run(command, args, { cwd: `${root}examples` });
    assert.match(
      stdout,
      new RegExp(
        [
          '^I am ACTIVE, until \\d{4}-\\d\\d-\\d\\dT\\S+Z \\(NOT_ACCESSED\\)',
          'the key I made is ROTATING_OUT \\(ROTATION_GRACE\\)',
          'the key I made is ACTIVE \\(LIFETIME\\)',
          'found, ROTATING_OUT: deploy:write',
          'found, ACTIVE: deploy:write',
          'revoked: REVOKED',
          'revoked: REVOKED\n$',
        ].join('\n'),
      ),
    );
    assert.doesNotMatch(stdout, /ktg_/);
  });

  test(`the ${language} client tells why it was refused`, async () => {
    const refused = run(command, args, { cwd: `${root}examples`, env: { ...process.env, KEYTAG_TOKEN: 'ktg_wrong' } });
    await assert.rejects(refused, ({ code, stdout, stderr }) => {
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^api_keys\.invalid \(HTTP 401\): the API key is not valid\n/);
      return true;
    });
  });
}
