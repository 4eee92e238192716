// Command generate writes graph/generated, graph/model and the stubs of resolvers from schema.graphqls
// and gqlgen.yml: with gqlgen, and leaner where a response spends its time.
package main

import (
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	c, err := config.LoadConfigFromDefaultLocations()
	if err != nil {
		return err
	}
	leaner := &lean{}
	if err := api.Generate(c, api.AddPlugin(leaner)); err != nil {
		return err
	}
	return leaner.rewrite()
}
