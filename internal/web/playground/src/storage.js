// What GraphiQL may remember between visits: tabs, history, theme and layout, never a credential.
// Its history writes the headers of every query, bearer tokens included, whatever
// shouldPersistHeaders says; so everything passes here on its way to the browser's storage.

const PREFIX = 'graphiql:';

// Any server's key pattern: `<lead>_<public 10>_<secret 32><checksum 6>`, base62.
const KEY = /[0-9A-Za-z]+_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}/g;

/** `value`, a JSON text, with every `headers` member nulled; as it is when it has none or is no JSON. */
function withoutHeaders(value) {
  if (!value.includes('"headers"')) return value;
  try {
    // Null instead of absent: GraphiQL takes stored tabs without the member for damaged.
    return JSON.stringify(JSON.parse(value), (name, member) => (name === 'headers' ? null : member));
  } catch {
    return value;
  }
}

/** What may be stored of `value`: no header values, no keys. */
export function withoutCredentials(value) {
  return withoutHeaders(value).replace(KEY, '[key removed]');
}

/** A GraphiQL `Storage` over a web `Storage`. */
export function createStorage(backing) {
  const ownNames = () => Object.keys(backing).filter((name) => name.startsWith(PREFIX));
  return {
    getItem: (name) => backing.getItem(name),
    setItem(name, value) {
      if (name === `${PREFIX}headers`) return;
      backing.setItem(name, withoutCredentials(value));
    },
    removeItem: (name) => backing.removeItem(name),
    clear: () => ownNames().forEach((name) => backing.removeItem(name)),
    get length() {
      return ownNames().length;
    },
  };
}
