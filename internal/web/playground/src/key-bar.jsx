const endFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

function Status({ check: { state, viewerKey, message } }) {
  if (state === 'none') return 'Kept in this page only; gone when you close or reload it.';
  if (state === 'checking') return 'Checking …';
  if (state !== 'works') return message;
  const { name, status, effectiveExpiresAt, details } = viewerKey;
  const end = effectiveExpiresAt ? `ends ${endFormat.format(new Date(effectiveExpiresAt))}` : 'never ends';
  return (
    <span title={details.message}>
      <strong>{name}</strong> · {status.replaceAll('_', ' ').toLowerCase()} · {end}
    </span>
  );
}

/** The bar at the top: where the key goes, and what the server says about it. */
export function KeyBar({ apiKey, onChange, check }) {
  return (
    // GraphiQL defines its colours on this class, light and dark.
    <header className="graphiql-container key-bar">
      <h1>keytag playground</h1>
      <label htmlFor="api-key">API key</label>
      <input
        id="api-key"
        type="password"
        value={apiKey}
        onChange={(event) => onChange(event.target.value.trim())}
        placeholder="ktg_…"
        // Asks browsers and password managers not to offer to keep it.
        autoComplete="off"
        data-1p-ignore=""
        data-bwignore=""
        data-lpignore="true"
        spellCheck={false}
        autoFocus
        aria-describedby="key-status"
      />
      <output id="key-status" data-state={check.state}>
        <Status check={check} />
      </output>
    </header>
  );
}
