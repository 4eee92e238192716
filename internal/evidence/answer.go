package evidence

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Answer keeps the headers and the body that a server sent, but for the values of `secret` and `webhookSecret`
// in the data of GraphQL, where they belong. It returns what it keeps, also when nothing is kept.
func Answer(response *http.Response, body []byte) []byte {
	var answer struct {
		Data   any
		Errors []any
	}
	kind := Answers
	if json.Unmarshal(body, &answer) == nil && answer.Data != nil {
		body = withoutSecrets(body)
	}
	if response.StatusCode >= http.StatusBadRequest || len(answer.Errors) > 0 {
		kind = Errors
	}
	var said bytes.Buffer
	_ = response.Header.Write(&said)
	said.Write(body)
	said.WriteByte('\n')
	Keep(kind, said.Bytes())
	return said.Bytes()
}

func withoutSecrets(text []byte) []byte {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return text
	}
	var blank func(any)
	blank = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				if name == "secret" || name == "webhookSecret" {
					v[name] = nil
				} else {
					blank(member)
				}
			}
		case []any:
			for _, member := range v {
				blank(member)
			}
		}
	}
	blank(v)
	blanked, _ := json.Marshal(v)
	return blanked
}
