import { useEffect, useState } from 'react';
import { post } from './fetcher.js';

const SHAPE = /^[0-9A-Za-z]+_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}$/;

const QUERY = `query KeyCheck {
  viewerKey {
    name
    status
    effectiveExpiresAt
    details { message }
    project { id }
  }
}`;

async function ask(key, signal) {
  // A probe: looking at a key here does not count as using it.
  const { data, errors } = await post({ query: QUERY }, { key, headers: { 'keytag-probe': '1' }, signal });
  if (data?.viewerKey) return { state: 'works', viewerKey: data.viewerKey };
  return { state: 'refused', message: errors?.[0]?.message ?? 'The server does not know this key.' };
}

/**
 * Whether the server takes the key: `{state, key?, viewerKey?, message?}` with a state of
 * none, malformed, checking, works, refused. Asked again whenever `revision` changes.
 */
export function useKeyCheck(key, revision) {
  const [result, setResult] = useState({ state: 'none' });
  useEffect(() => {
    if (key === '') return setResult({ state: 'none' });
    if (!SHAPE.test(key)) return setResult({ state: 'malformed', message: 'This does not look like a whole key.' });
    const abort = new AbortController();
    const settle = (answer) => {
      if (!abort.signal.aborted) setResult({ key, ...answer });
    };
    // What is known of this key stays in view while it is asked again.
    setResult((last) => (last.key === key ? last : { key, state: 'checking' }));
    ask(key, abort.signal).then(settle, (error) => settle({ state: 'refused', message: error.message }));
    return () => abort.abort();
  }, [key, revision]);
  return result;
}
