package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

const prefix = "KEYTAG_"

const testPrefix = "KEYTAG_TEST_"

// Flags registers one flag for every setting of Config but the secret ones, which the list of processes
// would show. Its value is only used when the flag is given; environment, files and defaults come from Load.
func Flags(flags *pflag.FlagSet) { register[Config](flags) }

// ClientFlags is Flags for Client.
func ClientFlags(flags *pflag.FlagSet) { register[Client](flags) }

func register[T any](flags *pflag.FlagSet) {
	for field := range settings[T]() {
		name, usage := flagName(field), field.Tag.Get("usage")
		switch {
		case field.Type == reflect.TypeFor[Secret]():
		case field.Type.Kind() == reflect.Bool:
			flags.Bool(name, field.Tag.Get("default") == "true", usage)
		default:
			flags.String(name, field.Tag.Get("default"), usage)
		}
	}
}

// Load reads and checks every setting. environ is in the form of os.Environ. An
// empty variable counts as not set. The error names every wrong setting and
// what is allowed for it, one a line, and never holds a password.
func Load(flags *pflag.FlagSet, environ []string) (Config, error) {
	config, origins, problems := gather[Config](flags, variables(environ))
	if _, err := config.Mail(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return Config{}, errors.Join(problems...)
	}
	config.origins, config.unknown = origins, unread(variables(environ))
	config.PublicURL = strings.TrimRight(config.PublicURL, "/")
	return config, nil
}

// LoadClient is Load for Client.
func LoadClient(flags *pflag.FlagSet, environ []string) (Client, error) {
	client, _, problems := gather[Client](flags, variables(environ))
	if len(problems) > 0 {
		return Client{}, errors.Join(problems...)
	}
	client.URL = strings.TrimRight(client.URL, "/")
	return client, nil
}

func gather[T any](flags *pflag.FlagSet, env map[string]string) (config T, origins map[string]string, problems []error) {
	origins = map[string]string{}
	for field := range settings[T]() {
		variable := field.Tag.Get("env")
		text, origin, err := lookup(field, flags, env)
		if err != nil {
			problems = append(problems, err)
			text = field.Tag.Get("default")
		}
		if err := assign(reflect.ValueOf(&config).Elem().FieldByIndex(field.Index), variable, text); err != nil {
			problems = append(problems, err)
		}
		origins[variable] = origin
	}
	return config, origins, append(problems, check(config)...)
}

// lookup finds the text of a setting and where it came from.
func lookup(field reflect.StructField, flags *pflag.FlagSet, env map[string]string) (text, origin string, err error) {
	variable := field.Tag.Get("env")
	if flag := flags.Lookup(flagName(field)); flag != nil && flag.Changed {
		return flag.Value.String(), "flag", nil
	}
	if text := env[variable]; text != "" {
		return text, "environment", nil
	}
	if path := env[variable+"_FILE"]; path != "" {
		text, err := read(variable+"_FILE", path)
		return text, "file " + path, err
	}
	return field.Tag.Get("default"), "default", nil
}

// read gives the content of a settings file without the line end that editors
// and `echo` leave behind.
func read(variable, path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("%s: must name a readable file, got %q: %w", variable, path, err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

func assign(field reflect.Value, variable, text string) error {
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
		return nil
	case reflect.Int:
		value, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s: must be a whole number, got %q", variable, shorten(text))
		}
		field.SetInt(int64(value))
		return nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%s: must be true or false, got %q", variable, shorten(text))
	}
	field.SetBool(value)
	return nil
}

// settings yields the fields of a struct that are settings.
func settings[T any]() func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
			if field.Tag.Get("env") != "" && !yield(field) {
				return
			}
		}
	}
}

// flagName turns KEYTAG_DATABASE_URL into database-url.
func flagName(field reflect.StructField) string {
	name := strings.TrimPrefix(field.Tag.Get("env"), prefix)
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// variables keeps what begins with our prefix; the last of equal names counts,
// as in os/exec.
func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		if name, value, found := strings.Cut(entry, "="); found && strings.HasPrefix(name, prefix) {
			env[name] = value
		}
	}
	return env
}

// unread sorts the names that no setting has.
func unread(env map[string]string) []string {
	for field := range settings[Config]() {
		delete(env, field.Tag.Get("env"))
		delete(env, field.Tag.Get("env")+"_FILE")
	}
	for field := range settings[Client]() {
		delete(env, field.Tag.Get("env"))
		delete(env, field.Tag.Get("env")+"_FILE")
	}
	var names []string
	for name := range env {
		if !strings.HasPrefix(name, testPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
