// The life of a key: asks who it is, creates a key, rotates it, lists keys by scope, revokes.
//
//   KEYTAG_URL=http://localhost:8080 KEYTAG_TOKEN=ktg_… npm start
import { randomUUID } from 'node:crypto';
import { type UserError, Keytag, RequestError, UserErrors, settled } from './keytag.js';
import { createKey, keysByScope, revokeKey, rotateKey, whoAmI } from './operations.js';

const SCOPE = 'deploy:write';

const { KEYTAG_URL: url = 'http://localhost:8080', KEYTAG_TOKEN: token = '' } = process.env;
const keytag = new Keytag(url, token);

async function* keys(scope: string) {
  for (let after: string | null = null; ; ) {
    const { apiKeys }: Awaited<ReturnType<typeof page>> = await page(scope, after);
    if (!apiKeys) return;
    yield* apiKeys.nodes;
    if (!apiKeys.pageInfo.hasNextPage) return;
    after = apiKeys.pageInfo.endCursor ?? null;
  }
}

const page = (scope: string, after: string | null) => keytag.run(keysByScope, { scopes: [scope], after });

async function main() {
  const { viewerKey } = await keytag.run(whoAmI);
  if (!viewerKey) throw new Error('KEYTAG_TOKEN is empty');
  console.log(`I am ${viewerKey.status}, until ${viewerKey.effectiveExpiresAt} (${viewerKey.endsBecause})`);

  // A call that is repeated with its idempotencyKey, because a reply was lost, makes no second key.
  const name = `example ${randomUUID()}`;
  const created = settled(
    (
      await keytag.run(createKey, {
        input: { idempotencyKey: randomUUID(), projectId: viewerKey.project.id, name, scopes: [SCOPE], expiresIn: 'P1D' },
      })
    ).createApiKey,
  );
  const rotated = settled(
    (await keytag.run(rotateKey, { input: { idempotencyKey: randomUUID(), id: created.apiKey!.id, gracePeriod: 'PT1H' } }))
      .rotateApiKey,
  );
  for (const secret of [created.secret!, rotated.secret!]) {
    const { viewerKey: own } = await new Keytag(url, secret).run(whoAmI);
    console.log(`the key I made is ${own?.status} (${own?.endsBecause})`);
  }

  for await (const key of keys(SCOPE)) {
    if (key.name === name) console.log(`found, ${key.status}: ${key.scopes.join(' ')}`);
  }

  for (const id of [created.apiKey!.id, rotated.newKey!.id]) {
    const { apiKey } = settled((await keytag.run(revokeKey, { input: { id, reason: 'CESSATION_OF_OPERATION' } })).revokeApiKey);
    console.log(`revoked: ${apiKey?.status}`);
  }
}

main().catch((error: unknown) => {
  if (error instanceof UserErrors) error.errors.forEach(({ code, message }: UserError) => console.error(`${code}: ${message}`));
  else if (error instanceof RequestError) console.error(`${error.code} (HTTP ${error.status}): ${error.message}`);
  else console.error(error);
  process.exitCode = 1;
});
