// Command generate writes graph/generated, graph/model and the stubs of resolvers from schema.graphqls
// and gqlgen.yml: with gqlgen, and leaner where a response spends its time. It also writes what the
// benchmarks compare with.
package main

import (
	"fmt"
	"os"
	"path/filepath"

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
	if err := leaner.rewrite(); err != nil {
		return err
	}
	return plainly("internal/benchdata/hot/plain")
}

// plainly writes what gqlgen makes as it comes, which the benchmarks compare with.
func plainly(directory string) error {
	c, err := config.LoadConfig(filepath.Join(directory, "gqlgen.yml"))
	if err != nil {
		return err
	}
	return api.Generate(c)
}
