// Builds the playground into ../dist, every file gzipped as it is embedded and served.
// With --check it builds aside and fails unless that gives the committed bytes.
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'fflate';
import { build } from 'vite';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, '..', 'dist');

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

// Node's own zlib gives other bytes from version to version and from CPU to CPU; fflate does not.
function gzip(bytes) {
  return gzipSync(bytes, { level: 9, mtime: 0 });
}

async function buildInto(target) {
  const plain = mkdtempSync(join(tmpdir(), 'keytag-playground-'));
  try {
    await build({ root, logLevel: 'warn', build: { outDir: plain, emptyOutDir: true } });
    rmSync(target, { recursive: true, force: true });
    for (const file of filesBelow(plain)) {
      const packed = join(target, `${file}.gz`);
      mkdirSync(dirname(packed), { recursive: true });
      writeFileSync(packed, gzip(readFileSync(join(plain, file))));
    }
  } finally {
    rmSync(plain, { recursive: true, force: true });
  }
}

async function check() {
  const fresh = mkdtempSync(join(tmpdir(), 'keytag-playground-'));
  try {
    await buildInto(fresh);
    const built = filesBelow(fresh);
    const committed = filesBelow(dist);
    const differing = [...new Set([...built, ...committed])].filter(
      (file) =>
        !built.includes(file) ||
        !committed.includes(file) ||
        !readFileSync(join(fresh, file)).equals(readFileSync(join(dist, file))),
    );
    if (differing.length > 0) {
      console.error(`dist is not what the sources build; run npm run build.\n${differing.join('\n')}`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (process.argv.includes('--check')) {
  await check();
} else {
  await buildInto(dist);
}
