// What the tests of clients ask. The client parses the texts by itself.

export const whoAmI = `
  query WhoAmI {
    viewerKey {
      id
      name
      status
    }
  }
`;

export const keysByScope = `
  query KeysByScope($scopes: [String!]!, $first: Int, $after: String) {
    apiKeys(filter: { scopes: { all: $scopes } }, orderBy: { field: NAME, direction: ASC }, first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          name
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`;

export const createKey = `
  mutation CreateKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
      apiKey {
        id
      }
      userErrors {
        code
        fields
        ... on ExpiryOutOfRangeError {
          maximum
        }
      }
    }
  }
`;

/** Nobody is told without a key. */
export const organization = `
  query Organization {
    organization {
      id
      name
    }
  }
`;
