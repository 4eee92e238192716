// Drives the playground of a running server with a real browser.
//
//   KEYTAG_URL         base URL of the server, e.g. http://localhost:8080
//   KEYTAG_TOKEN       a live API key of that server
//   KEYTAG_SCREENSHOT  optional: PNG to write, showing the page after the first example ran; beside it
//                      one in light colours and one in dark
//   CHROMIUM           optional: the browser's program, default /usr/bin/chromium
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { KEYTAG_URL, KEYTAG_TOKEN, KEYTAG_SCREENSHOT, CHROMIUM = '/usr/bin/chromium' } = process.env;
if (!KEYTAG_URL || !KEYTAG_TOKEN) {
  console.error('KEYTAG_URL and KEYTAG_TOKEN must name a running server and a live key of it.');
  process.exit(2);
}
const origin = new URL(KEYTAG_URL).origin;

// Everything that must not happen, in the words of the browser.
const offences = [];

async function keyName() {
  const response = await fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEYTAG_TOKEN}` },
    body: JSON.stringify({ query: '{ viewerKey { name } }' }),
  });
  const { data, errors } = await response.json();
  assert.ok(data?.viewerKey, `the server refuses the key: ${JSON.stringify(errors)}`);
  return data.viewerKey.name;
}

async function watch(context) {
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (!['data:', 'blob:'].includes(url.protocol) && url.origin !== origin) offences.push(`request to ${url.origin}`);
    if (request.url().includes(KEYTAG_TOKEN)) offences.push(`key in the URL of a request to ${url.pathname}`);
  });
  context.on('response', (response) => {
    const path = new URL(response.url()).pathname;
    if (response.status() >= 400) offences.push(`${response.status()} from ${path}`);
  });
  context.on('weberror', (error) => offences.push(`page error: ${error.error().message}`));
  context.on('console', (message) => {
    if (message.type() === 'error' || message.text().includes('Content Security Policy')) {
      offences.push(`console: ${message.text()}`);
    }
  });
  await context.exposeFunction('reportViolation', (violation) => offences.push(`CSP: ${violation}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation(`${event.violatedDirective} refused ${event.blockedURI}`),
    );
  });
}

/** Everything the origin keeps in this browser, as one text. */
async function stored(context, page) {
  const kept = await page.evaluate(async () => {
    const settled = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const databases = {};
    for (const { name } of await indexedDB.databases()) {
      const database = await settled(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        databases[`${name}/${store}`] = await settled(database.transaction(store).objectStore(store).getAll());
      }
      database.close();
    }
    return {
      localStorage: { ...localStorage },
      sessionStorage: { ...sessionStorage },
      databases,
      caches: await caches.keys(),
      url: location.href,
      historyState: history.state,
    };
  });
  return JSON.stringify({ ...kept, cookies: await context.cookies() });
}

/** Runs the operation of the open tab and waits until the answer shows `expected`. */
async function run(page, expected) {
  // A click before the editor's workers are up does nothing; a person would click again.
  const answer = page.locator('.result-window').getByText(expected).first();
  for (let tries = 1; ; tries++) {
    await page.getByRole('button', { name: /^Execute query/ }).click();
    try {
      return await answer.waitFor({ timeout: 8_000 });
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

/** Opens an example and waits until GraphiQL has read its operation: until then it would run the one before. */
async function openExample(page, title, operation) {
  await page.getByRole('button', { name: 'Examples' }).click();
  await page.getByRole('menuitem', { name: title }).click();
  await page.getByRole('tab', { name: operation, selected: true }).waitFor();
}

/** Puts text over what a Monaco editor holds, as a paste would. */
async function replaceText(page, editor, text) {
  await editor.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

/** How light the page is behind its text, of 255. */
const lightness = (page) =>
  page.locator('.graphiql-container.editor').evaluate((element) => {
    const pixel = document.createElement('canvas').getContext('2d');
    pixel.fillStyle = getComputedStyle(element).backgroundColor;
    pixel.fillRect(0, 0, 1, 1);
    return Math.max(...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3));
  });

/** The page follows what the system of the visitor prefers. */
async function checkColours(page) {
  for (const [colorScheme, fits] of [['light', (n) => n > 200], ['dark', (n) => n < 80]]) {
    await page.emulateMedia({ colorScheme });
    await page.reload();
    await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    const found = await lightness(page);
    assert.ok(fits(found), `${colorScheme}: the background is ${found} of 255 light`);
    if (KEYTAG_SCREENSHOT) await page.screenshot({ path: KEYTAG_SCREENSHOT.replace(/(\.png)?$/, `-${colorScheme}.png`) });
  }
}

async function converse(context, page, name) {
  await page.goto(`${origin}/playground`);
  assert.equal(await page.title(), 'keytag playground');

  const key = page.getByLabel('API key');
  assert.equal(await key.getAttribute('type'), 'password');
  await key.fill('ktg_incomplete');
  await page.locator('#key-status[data-state=malformed]').waitFor();
  await key.fill(KEYTAG_TOKEN);
  const status = page.locator('#key-status[data-state=works]');
  await status.waitFor();
  assert.ok((await status.innerText()).includes(name), 'the bar shows the name of the key');

  await run(page, `"${name}"`);
  if (KEYTAG_SCREENSHOT) await page.screenshot({ path: KEYTAG_SCREENSHOT });

  await openExample(page, 'Find keys by scope', 'KeysByScope');
  await run(page, '"totalCount"');

  // The same key in the headers editor and, by mistake, in the text of a query.
  await openExample(page, 'Who am I?', 'WhoAmI');
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  const headers = JSON.stringify({ Authorization: `Bearer ${KEYTAG_TOKEN}` });
  await replaceText(page, page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden)'), headers);
  const query = page.locator('.graphiql-query-editor .graphiql-editor');
  await replaceText(page, query, `# ${KEYTAG_TOKEN}\nquery FromHeaders { viewerKey { name } }`);
  // GraphiQL reads the text a moment later, and would run the operation that was there before.
  await page.getByRole('tab', { name: 'FromHeaders' }).waitFor();
  await key.fill('');
  const sent = page.waitForRequest(
    (request) => request.method() === 'POST' && request.postDataJSON().operationName === 'FromHeaders',
  );
  await run(page, `"${name}"`);
  assert.equal((await sent).headers().authorization, `Bearer ${KEYTAG_TOKEN}`, 'the headers editor is sent');

  // GraphiQL writes its tabs half a second after the last change.
  await page.waitForFunction(() => localStorage.getItem('graphiql:tabState')?.includes('FromHeaders'));
  const before = await stored(context, page);
  assert.ok(before.includes('graphiql:queries'), 'the history is kept');
  assert.ok(!before.includes(KEYTAG_TOKEN), 'the browser stores the key');

  const tabs = await page.getByRole('tab').count();
  await page.reload();
  await page.getByRole('button', { name: /^Execute query/ }).waitFor();
  assert.equal(await key.inputValue(), '', 'the key outlives a reload');
  assert.equal(await page.getByRole('tab').count(), tabs, 'the tabs come back');
  assert.ok(!(await stored(context, page)).includes(KEYTAG_TOKEN), 'the browser stores the key after a reload');
}

const name = await keyName();
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(20_000);
  await watch(context);
  const page = await context.newPage();
  await converse(context, page, name);
  await checkColours(page);
} finally {
  await browser.close();
  offences.forEach((offence) => console.error(offence));
}
assert.deepEqual(offences, []);
console.log('playground: no outside request, no policy violation, no key stored');
