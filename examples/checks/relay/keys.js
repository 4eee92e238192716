// What a Relay application of keytag asks. Only the compiler reads this file; it writes __generated__.
graphql`
  query keysScreenQuery($scopes: [String!]!, $count: Int!) {
    viewer {
      login
      ...keysScreen_owner
    }
    viewerKey {
      project {
        ...keysScreen_project @arguments(scopes: $scopes, count: $count)
      }
    }
  }
`;

graphql`
  fragment keysScreen_owner on User {
    displayName
    ownKeys: apiKeys(relation: OWNED, first: 1) {
      edges {
        node {
          id
        }
      }
    }
  }
`;

graphql`
  fragment keysScreen_project on Project
  @argumentDefinitions(scopes: { type: "[String!]!" }, count: { type: "Int!" }, cursor: { type: "String" })
  @refetchable(queryName: "keysScreenPageQuery") {
    apiKeys(filter: { scopes: { all: $scopes } }, orderBy: { field: NAME, direction: ASC }, first: $count, after: $cursor)
      @connection(key: "keysScreen_apiKeys") {
      totalCount
      edges {
        node {
          id
          ...keysScreen_key
        }
      }
    }
  }
`;

graphql`
  fragment keysScreen_key on ApiKey @refetchable(queryName: "keysScreenKeyQuery") {
    name
    status
    effectiveExpiresAt
    notification {
      alertSource {
        __typename
        name
        ... on WebhookAlertSource {
          url
        }
      }
    }
  }
`;

graphql`
  mutation keysScreenCreateMutation($input: CreateApiKeyInput!, $connections: [ID!]!) {
    createApiKey(input: $input) {
      apiKey @appendNode(connections: $connections, edgeTypeName: "ApiKeyEdge") {
        id
        ...keysScreen_key
      }
      userErrors {
        __typename
        code
        fields
        ... on ExpiryOutOfRangeError {
          minimum
          maximum
        }
      }
    }
  }
`;
