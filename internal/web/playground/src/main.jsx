import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useMemo, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './playground.css';
import { ExamplesMenu } from './examples-menu.jsx';
import { WHO_AM_I } from './examples.js';
import { createFetcher } from './fetcher.js';
import { KeyBar } from './key-bar.jsx';
import { useKeyCheck } from './key-check.js';
import { createStorage } from './storage.js';

const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const storage = createStorage(window.localStorage);

function Playground() {
  const [apiKey, setApiKey] = useState('');
  const [mutations, setMutations] = useState(0);
  const check = useKeyCheck(apiKey, mutations);

  // GraphiQL fetches the schema again when its fetcher changes, so one fetcher reads the newest key.
  const newestKey = useRef('');
  newestKey.current = apiKey;
  const fetcher = useMemo(() => createFetcher(() => newestKey.current, () => setMutations((n) => n + 1)), []);

  return (
    <>
      <KeyBar apiKey={apiKey} onChange={setApiKey} check={check} />
      <GraphiQL
        className="editor"
        fetcher={fetcher}
        storage={storage}
        plugins={plugins}
        shouldPersistHeaders={false}
        defaultTabs={[{ query: WHO_AM_I }]}
        defaultQuery=""
        defaultEditorToolsVisibility
        inputValueDeprecation
        schemaDescription
      >
        <GraphiQL.Logo>
          <ExamplesMenu viewerKey={check.viewerKey} />
        </GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}

createRoot(document.getElementById('playground')).render(<Playground />);
