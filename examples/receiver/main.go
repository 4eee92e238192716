// Command receiver is an example of a rotation webhook's receiver: it verifies the signature of what
// arrives, drops what it has seen, and claims the new key when its own is about to be replaced.
//
//	WEBHOOK_SECRET=whsec_… KEYTAG_URL=https://keys.example KEYTAG_TOKEN_FILE=/run/key receiver 127.0.0.1:9000
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// event is what keytag sends; of its data what is used here.
type event struct {
	Type string
	Data struct {
		KeyID      string
		ClaimToken string // api_key.rotation_due, CLAIM
		Secret     string // api_key.rotated, INLINE
	}
}

type receiver struct {
	verifier  *standardwebhooks.Webhook
	url, file string

	mu   sync.Mutex
	seen map[string]bool // ids; a real receiver keeps them for some days, beside what it does with them
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: receiver HOST:PORT")
	}
	verifier, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal("WEBHOOK_SECRET: ", err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, &receiver{
		verifier: verifier, url: os.Getenv("KEYTAG_URL"), file: os.Getenv("KEYTAG_TOKEN_FILE"), seen: map[string]bool{},
	}))
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 64<<10))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := r.verifier.Verify(body, request.Header); err != nil { // signature and age
		http.Error(w, "not from keytag", http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := request.Header.Get("webhook-id") // the same over all retries of one event
	if !r.seen[id] {
		if err := r.handle(e); err != nil {
			log.Print(e.Type, ": ", err)
			http.Error(w, "try again", http.StatusServiceUnavailable) // keytag does, for three days
			return
		}
		r.seen[id] = true
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) handle(e event) error {
	switch {
	case e.Type == "api_key.rotation_due":
		secret, err := r.claim(e.Data.ClaimToken)
		if err != nil {
			return err
		}
		return replace(r.file, secret)
	case e.Type == "api_key.rotated" && e.Data.Secret != "":
		return replace(r.file, e.Data.Secret)
	}
	log.Print(e.Type, " of ", e.Data.KeyID)
	return nil
}

// claim exchanges the token for the new key, as the old one.
func (r *receiver) claim(token string) (string, error) {
	old, err := os.ReadFile(r.file)
	if err != nil {
		return "", err
	}
	query, err := json.Marshal(map[string]any{
		"query":     `mutation($token: String!) { claimRotation(input: {claimToken: $token}) { secret userErrors { message } } }`,
		"variables": map[string]string{"token": token},
	})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequest(http.MethodPost, r.url+"/graphql", bytes.NewReader(query))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(old)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			ClaimRotation struct {
				Secret     string
				UserErrors []struct{ Message string }
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	if claimed := answer.Data.ClaimRotation; claimed.Secret == "" {
		return "", errors.New("no secret: " + fmt.Sprint(claimed.UserErrors))
	}
	return answer.Data.ClaimRotation.Secret, nil
}

// replace writes the new key where the old one was, whole or not at all.
func replace(file, secret string) error {
	next, err := os.CreateTemp(filepath.Dir(file), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	if _, err := next.WriteString(secret + "\n"); err != nil {
		return err
	}
	if err := errors.Join(next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}
