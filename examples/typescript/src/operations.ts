// Secrets and ids travel as variables, never inside a document.
import { graphql } from './gql/gql.js';

export const whoAmI = graphql(`
  query WhoAmI {
    viewerKey {
      id
      status
      effectiveExpiresAt
      endsBecause
      project {
        id
      }
    }
  }
`);

export const keysByScope = graphql(`
  query KeysByScope($scopes: [String!]!, $after: String) {
    apiKeys(
      filter: { scopes: { grants: $scopes }, statuses: [ACTIVE, ROTATING_OUT] }
      orderBy: { field: CREATED_AT, direction: ASC }
      first: 2
      after: $after
    ) {
      nodes {
        id
        name
        scopes
        status
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const createKey = graphql(`
  mutation CreateKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
      apiKey {
        id
      }
      secret
      userErrors {
        code
        message
        fields
      }
    }
  }
`);

export const rotateKey = graphql(`
  mutation RotateKey($input: RotateApiKeyInput!) {
    rotateApiKey(input: $input) {
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
`);

export const revokeKey = graphql(`
  mutation RevokeKey($input: RevokeApiKeyInput!) {
    revokeApiKey(input: $input) {
      apiKey {
        id
        status
      }
      userErrors {
        code
        message
        fields
      }
    }
  }
`);
