import { defineConfig } from 'vite';

export default defineConfig({
  base: '/playground/',
  build: {
    // Monaco's editor chunk alone passes Vite's default of 500 kB.
    chunkSizeWarningLimit: 4096,
    license: { fileName: 'licenses.md' },
    // "use client" in React packages speaks to server renderers; there is none here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  server: {
    proxy: { '/graphql': process.env.KEYTAG_URL ?? 'http://localhost:8080' },
  },
});
