package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand asks the server that this configuration starts, on this machine, whether it is ready: the check of
// an image that holds nothing else.
func (p *program) healthCommand() *cobra.Command {
	return p.configured("health", "Ask the server on this machine whether it is ready", func(ctx context.Context) error {
		address := p.config.AdminListen
		if address == "" {
			address = p.config.Listen
		}
		return healthy(ctx, "http://"+nearby(address)+"/readyz")
	})
}

const healthFor = 4 * time.Second

func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthFor)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return errExit{err, exitUnreachable}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return errExit{err, exitUnreachable}
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// nearby is where a listener's address is reached from this machine.
func nearby(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // an image may know no names
	}
	return net.JoinHostPort(host, port)
}
