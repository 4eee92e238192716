package client

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Key is what is told of a key. Raw is all of it as the server told it: JSON, an object.
type Key struct {
	ID                 string     `json:"id"`
	Name               string     `json:"name"`
	Status             string     `json:"status"`
	Scopes             []string   `json:"scopes"`
	KeyPrefix          string     `json:"keyPrefix"`
	LastUsedAt         *time.Time `json:"lastUsedAt"`
	EffectiveExpiresAt *time.Time `json:"effectiveExpiresAt"`
	EndsBecause        *string    `json:"endsBecause"`
	ExpiresInSeconds   *int64     `json:"expiresInSeconds"`
	Details            struct {
		Message string `json:"message"`
	} `json:"details"`
	Project struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"project"`
	ReplacedBy *struct {
		ID string `json:"id"`
	} `json:"replacedBy"`

	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the text. A key has an id.
func (k *Key) UnmarshalJSON(text []byte) error {
	type plain Key
	if err := json.Unmarshal(text, (*plain)(k)); err != nil {
		return err
	}
	if k.ID == "" {
		return errors.New("a key without an id")
	}
	k.Raw = append(json.RawMessage(nil), text...)
	return nil
}

// MarshalJSON is the text.
func (k Key) MarshalJSON() ([]byte, error) { return k.Raw, nil }

const keyFields = `fragment Key on ApiKey {
  id name description keyPrefix status scopes allowedIps
  createdAt lastUsedAt expiresAt inactivityExpiresAt graceExpiresAt effectiveExpiresAt endsBecause expiresInSeconds
  details { kind message }
  generation replacedBy { id } replaces { id }
  owner { id login } project { id name } environment { id name }
}`

// UserErrors are why a mutation changed nothing; without any there is no error.
type UserErrors []Refusal

func (e UserErrors) err() error {
	var all []error
	for i := range e {
		all = append(all, &e[i])
	}
	return errors.Join(all...)
}

// ViewerKey is the key that is presented. Without one: ErrNoToken.
func (c *Client) ViewerKey(ctx context.Context) (*Key, error) {
	var data struct{ ViewerKey *Key }
	if err := c.Ask(ctx, `query WhoAmI { viewerKey { ...Key } } `+keyFields, nil, &data); err != nil {
		return nil, err
	}
	if data.ViewerKey == nil {
		return nil, ErrNoToken
	}
	return data.ViewerKey, nil
}

// Key is one key, nil when there is none that the caller sees.
func (c *Client) Key(ctx context.Context, id string) (*Key, error) {
	var data struct{ APIKey *Key }
	err := c.Ask(ctx, `query GetKey($id: ID!) { apiKey(id: $id) { ...Key } } `+keyFields, map[string]any{"id": id}, &data)
	return data.APIKey, err
}

const pageSize = 100

// Keys tells each of the keys that a filter finds, at most limit unless that is 0. filter and orderBy are the
// inputs ApiKeyFilter and ApiKeyOrder.
func (c *Client) Keys(ctx context.Context, filter, orderBy map[string]any, limit int, tell func(*Key) error) error {
	var after *string
	for told := 0; limit == 0 || told < limit; {
		first := pageSize
		if limit > 0 {
			first = min(first, limit-told)
		}
		var data struct {
			APIKeys *struct {
				Nodes    []*Key
				PageInfo struct {
					HasNextPage bool
					EndCursor   *string
				}
			}
		}
		err := c.Ask(ctx, `query ListKeys($filter: ApiKeyFilter, $orderBy: ApiKeyOrder, $first: Int, $after: String) {
  apiKeys(filter: $filter, orderBy: $orderBy, first: $first, after: $after) { nodes { ...Key } pageInfo { hasNextPage endCursor } }
} `+keyFields, map[string]any{"filter": filter, "orderBy": orderBy, "first": first, "after": after}, &data)
		if err != nil {
			return err
		}
		page := data.APIKeys
		if page == nil || slices.Contains(page.Nodes, nil) {
			return other()
		}
		for _, key := range page.Nodes {
			if err := tell(key); err != nil {
				return err
			}
		}
		told += len(page.Nodes)
		if !page.PageInfo.HasNextPage {
			return nil
		}
		if next := page.PageInfo.EndCursor; next == nil || after != nil && *next == *after {
			return other()
		}
		after = page.PageInfo.EndCursor
	}
	return nil
}

// Issued is a key with its secret, which is told this once.
type Issued struct {
	Key    *Key
	Secret string // empty when an earlier call with the same idempotencyKey made the key, and it has been used since
}

// Create makes a key. input is CreateApiKeyInput.
func (c *Client) Create(ctx context.Context, input map[string]any) (*Issued, error) {
	var data struct {
		CreateAPIKey struct {
			APIKey     *Key
			Secret     *string
			UserErrors UserErrors
		}
	}
	err := c.Ask(ctx, `mutation CreateKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { apiKey { ...Key } secret userErrors { code message fields } }
} `+keyFields, map[string]any{"input": input}, &data)
	return issued(data.CreateAPIKey.APIKey, data.CreateAPIKey.Secret, data.CreateAPIKey.UserErrors, err)
}

// Rotate gives a key a successor. input is RotateApiKeyInput.
func (c *Client) Rotate(ctx context.Context, input map[string]any) (*Issued, error) {
	return c.rotate(ctx, "rotateApiKey", "RotateApiKeyInput", input)
}

// RotateSelf gives the presented key a successor. input is RotateViewerKeyInput.
func (c *Client) RotateSelf(ctx context.Context, input map[string]any) (*Issued, error) {
	return c.rotate(ctx, "rotateViewerKey", "RotateViewerKeyInput", input)
}

func (c *Client) rotate(ctx context.Context, field, of string, input map[string]any) (*Issued, error) {
	var data struct {
		Rotated struct {
			NewKey     *Key
			Secret     *string
			UserErrors UserErrors
		}
	}
	err := c.Ask(ctx, `mutation RotateKey($input: `+of+`!) {
  rotated: `+field+`(input: $input) { newKey { ...Key } secret userErrors { code message fields } }
} `+keyFields, map[string]any{"input": input}, &data)
	return issued(data.Rotated.NewKey, data.Rotated.Secret, data.Rotated.UserErrors, err)
}

func issued(key *Key, secret *string, refused UserErrors, err error) (*Issued, error) {
	if err == nil {
		err = refused.err()
	}
	if err == nil && key == nil {
		err = other()
	}
	if err != nil {
		return nil, err
	}
	made := &Issued{Key: key}
	if secret != nil {
		made.Secret = *secret
	}
	return made, nil
}

// Revoke ends a key for good. input is RevokeApiKeyInput.
func (c *Client) Revoke(ctx context.Context, input map[string]any) (*Key, error) {
	return c.revoke(ctx, "revokeApiKey", "RevokeApiKeyInput", input)
}

// RevokeSelf ends the presented key for good. input is RevokeViewerKeyInput.
func (c *Client) RevokeSelf(ctx context.Context, input map[string]any) (*Key, error) {
	return c.revoke(ctx, "revokeViewerKey", "RevokeViewerKeyInput", input)
}

func (c *Client) revoke(ctx context.Context, field, of string, input map[string]any) (*Key, error) {
	var data struct {
		Revoked struct {
			APIKey     *Key
			UserErrors UserErrors
		}
	}
	err := c.Ask(ctx, `mutation RevokeKey($input: `+of+`!) {
  revoked: `+field+`(input: $input) { apiKey { ...Key } userErrors { code message fields } }
} `+keyFields, map[string]any{"input": input}, &data)
	if err == nil {
		err = data.Revoked.UserErrors.err()
	}
	if err == nil && data.Revoked.APIKey == nil {
		err = other()
	}
	return data.Revoked.APIKey, err
}

// Verdict is what the server says of a key that somebody presented.
type Verdict struct {
	Valid         bool     `json:"valid"`
	Code          string   `json:"code"` // of VerificationCode
	MissingScopes []string `json:"missingScopes"`
	APIKey        *Key     `json:"apiKey"` // nil unless the whole secret matched
}

// Verify asks whether a key may do something. input is VerifyApiKeyInput.
func (c *Client) Verify(ctx context.Context, input map[string]any) (*Verdict, error) {
	var data struct {
		VerifyAPIKey struct {
			Verdict
			UserErrors UserErrors
		}
	}
	err := c.Ask(ctx, `mutation VerifyKey($input: VerifyApiKeyInput!) {
  verifyApiKey(input: $input) { valid code missingScopes apiKey { ...Key } userErrors { code message fields } }
} `+keyFields, map[string]any{"input": input}, &data)
	if err == nil {
		err = data.VerifyAPIKey.UserErrors.err()
	}
	if v := data.VerifyAPIKey.Verdict; err == nil && (v.Code == "" || v.Valid != (v.Code == "VALID")) {
		err = other()
	}
	return &data.VerifyAPIKey.Verdict, err
}
