package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Body is the payload of an event as Standard Webhooks has it: its type, its instant in RFC 3339
// (UTC), its data.
func Body(kind string, at time.Time, data any) ([]byte, error) {
	return json.Marshal(struct {
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
		Data      any    `json:"data"`
	}{kind, at.UTC().Format(time.RFC3339Nano), data})
}

// signatures is the value of webhook-signature: one HMAC-SHA-256 of `id.timestamp.body` per secret.
func signatures(id, timestamp string, body []byte, secrets []Secret) string {
	list := make([]string, len(secrets))
	for i, s := range secrets {
		mac := hmac.New(sha256.New, s.Bytes())
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}
