package keytag_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var settingName = regexp.MustCompile(`KEYTAG_[A-Z_]+`)

// Every setting that a file of deploy/ or the Dockerfile names is one of the program's.
func TestDeployedSettingsExist(t *testing.T) {
	source, err := os.ReadFile("internal/config/config.go")
	if err != nil {
		t.Fatal(err)
	}
	known := settingName.FindAllString(string(source), -1)
	for _, path := range []string{"Dockerfile", "deploy/compose.yaml", "deploy/keytag.service"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		named := settingName.FindAllString(string(text), -1)
		if len(named) < 2 {
			t.Errorf("%s names %v", path, named)
		}
		for _, name := range named {
			if !slices.Contains(known, name) && !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
				t.Errorf("%s: there is no %s", path, name)
			}
		}
	}
}

// The compose file is one: what it refers to is in it, and no secret is.
func TestComposeFile(t *testing.T) {
	text, err := os.ReadFile("deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image, Restart string
			Build          struct{ Context string }
			DependsOn      map[string]struct{ Condition string } `yaml:"depends_on"`
			Secrets        []string
			Volumes        []string
			Environment    map[string]string
			Healthcheck    struct{ Test []string }
		}
		Secrets map[string]struct{ File string }
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != 2 {
		t.Fatalf("%d services", len(file.Services))
	}
	for name, s := range file.Services {
		if s.Image == "" && s.Build.Context == "" || s.Restart == "" {
			t.Errorf("%s: %+v", name, s)
		}
		for other, on := range s.DependsOn {
			if of, there := file.Services[other]; !there || on.Condition == "service_healthy" && of.Healthcheck.Test == nil {
				t.Errorf("%s waits for %s, whose health nobody checks", name, other)
			}
		}
		for _, secret := range s.Secrets {
			if file.Secrets[secret].File == "" {
				t.Errorf("%s: no secret %s", name, secret)
			}
		}
		for _, volume := range s.Volumes {
			if _, there := file.Volumes[strings.Split(volume, ":")[0]]; !there {
				t.Errorf("%s: no volume of %s", name, volume)
			}
		}
		for variable, value := range s.Environment {
			if path, isFile := strings.CutPrefix(value, "/run/secrets/"); isFile && !slices.Contains(s.Secrets, path) {
				t.Errorf("%s: %s=%s is not among its secrets", name, variable, value)
			}
			if strings.Contains(variable, "PASSWORD") && !strings.HasSuffix(variable, "_FILE") {
				t.Errorf("%s: a password in plain sight", name)
			}
		}
	}
	if out, err := exec.Command("git", "check-ignore", "deploy/secrets/x").CombinedOutput(); err != nil {
		t.Errorf("deploy/secrets is not ignored by git: %v %s", err, out)
	}
}
