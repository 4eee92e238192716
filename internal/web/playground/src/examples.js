// Ready-made operations. `variables` gets the calling key, when it is known, to fill in what it tells.

export const WHO_AM_I = `# Which key is this, and when does it end?
query WhoAmI {
  viewerKey {
    id
    name
    keyPrefix
    status
    scopes
    expiresAt
    effectiveExpiresAt
    endsBecause
    expiresInSeconds
    details {
      message
    }
    owner {
      login
    }
    project {
      id
      name
    }
  }
}
`;

export const EXAMPLES = [
  { title: 'Who am I?', query: WHO_AM_I, variables: () => ({}) },
  {
    title: 'Find keys by scope',
    query: `# Keys that these scopes would be granted to, wildcards considered, newest first.
# For the next page put pageInfo.endCursor into the variable "after".
query KeysByScope($scopes: [String!]!, $first: Int = 20, $after: String) {
  apiKeys(first: $first, after: $after, filter: { scopes: { grants: $scopes } }) {
    totalCount
    nodes {
      id
      name
      scopes
      status
      effectiveExpiresAt
      owner {
        login
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: () => ({ scopes: ['deploy:write'], first: 20 }),
  },
  {
    title: 'Create a key',
    query: `# The secret is shown this once.
mutation CreateKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) {
    apiKey {
      id
      name
      scopes
      expiresAt
    }
    secret
    userErrors {
      code
      message
      fields
    }
  }
}
`,
    variables: (viewerKey) => ({
      input: {
        projectId: viewerKey?.project.id ?? 'project.id as told by WhoAmI',
        name: 'deploy bot',
        scopes: ['deploy:write'],
        expiresIn: 'P30D',
      },
    }),
  },
  {
    title: 'Rotate a key with grace',
    query: `# Gives a successor; the old key keeps working until graceExpiresAt.
mutation RotateKey($input: RotateApiKeyInput!) {
  rotateApiKey(input: $input) {
    oldKey {
      id
      status
      graceExpiresAt
    }
    newKey {
      id
    }
    secret
    graceExpiresAt
    userErrors {
      code
      message
      fields
    }
  }
}
`,
    variables: () => ({ input: { id: 'id of the key', gracePeriod: 'PT1H' } }),
  },
  {
    title: 'Revoke a key',
    query: `# Final: a revoked key never works again.
mutation RevokeKey($input: RevokeApiKeyInput!) {
  revokeApiKey(input: $input) {
    apiKey {
      id
      status
      revokedAt
    }
    userErrors {
      code
      message
      fields
    }
  }
}
`,
    variables: () => ({ input: { id: 'id of the key', reason: 'SUPERSEDED' } }),
  },
];
