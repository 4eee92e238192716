// Package config reads the settings of the program: a flag over a KEYTAG_*
// environment variable over the file named by KEYTAG_*_FILE over a default.
package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Config holds every setting, valid as a whole once Load has returned it.
//
// The tags are the only place where a setting is described: `env` names the
// variable (the flag is the same name in kebab case without the prefix),
// `validate` what is allowed.
type Config struct {
	DatabaseURL      DatabaseURL `env:"KEYTAG_DATABASE_URL" default:"sqlite://keytag.db" validate:"database_url" usage:"database: sqlite://PATH or postgres://USER@HOST/NAME"`
	Listen           string      `env:"KEYTAG_LISTEN" default:"127.0.0.1:8080" validate:"listen" usage:"address to listen on, host:port"`
	AdminListen      string      `env:"KEYTAG_ADMIN_LISTEN" validate:"omitempty,listen" usage:"a second address, host:port, for /metrics, /healthz and /readyz; /metrics is there alone then"`
	PublicURL        string      `env:"KEYTAG_PUBLIC_URL" default:"http://localhost:8080" validate:"public_url" usage:"where users reach the server; used in links"`
	BootstrapKeyFile string      `env:"KEYTAG_BOOTSTRAP_KEY_FILE" usage:"write the first administrator's key to this file instead of printing it"`
	EncryptionKey    Secret      `env:"KEYTAG_ENCRYPTION_KEY" validate:"encryption_key" usage:"32 bytes in base64, optionally with an id and a colon before them; several separated by commas, the first encrypts; needed for webhooks"`
	SMTPURL          Secret      `env:"KEYTAG_SMTP_URL" usage:"e-mail: smtp://USER:PASSWORD@HOST:587 (STARTTLS) or smtps://USER:PASSWORD@HOST:465"`
	SMTPFrom         string      `env:"KEYTAG_SMTP_FROM" usage:"sender of e-mail"`
	TrustedProxies   string      `env:"KEYTAG_TRUSTED_PROXIES" validate:"networks" usage:"CIDR blocks, separated by commas, of proxies whose X-Forwarded-For is believed"`
	CORSOrigins      string      `env:"KEYTAG_CORS_ORIGINS" validate:"origins" usage:"origins, separated by commas, whose pages may ask from a browser: https://app.example.com"`
	RateLimit        int         `env:"KEYTAG_RATE_LIMIT" default:"0" validate:"min=0,max=1000000" usage:"requests per second that one key may make; 0 for no limit"`
	PrivateWebhooks  bool        `env:"KEYTAG_ALLOW_PRIVATE_WEBHOOKS" default:"false" usage:"let webhooks reach loopback and private addresses, and plain http"`
	LogLevel         string      `env:"KEYTAG_LOG_LEVEL" default:"info" validate:"oneof=debug info warn error" usage:"debug, info, warn or error"`
	LogFormat        string      `env:"KEYTAG_LOG_FORMAT" validate:"omitempty,oneof=text json" usage:"text or json (default text on a terminal, else json)"`
	Introspection    bool        `env:"KEYTAG_INTROSPECTION" default:"true" usage:"answer introspection queries"`
	Playground       bool        `env:"KEYTAG_PLAYGROUND" default:"true" usage:"serve GraphiQL at /playground"`

	origins map[string]string
	unknown []string
}

// Setting is one as it counts: secret values are masked.
type Setting struct {
	Variable string `json:"variable"`
	Value    string `json:"value"`
	Origin   string `json:"origin"`
}

// Settings lists all, in the order of Config.
func (c Config) Settings() []Setting {
	var list []Setting
	for field := range settings[Config]() {
		variable := field.Tag.Get("env")
		value := reflect.ValueOf(c).FieldByIndex(field.Index).Interface()
		list = append(list, Setting{variable, fmt.Sprint(value), c.origins[variable]})
	}
	return list
}

// Origin says where the value of a variable came from: `flag`, `environment`,
// `file PATH` or `default`; empty for a variable that is no setting.
func (c Config) Origin(variable string) string { return c.origins[variable] }

// SecretFiles are the files that secret settings were read from.
func (c Config) SecretFiles() []string {
	var files []string
	for field := range settings[Config]() {
		path, read := strings.CutPrefix(c.origins[field.Tag.Get("env")], "file ")
		if read && isSecret(field) {
			files = append(files, path)
		}
	}
	return files
}

func isSecret(field reflect.StructField) bool {
	return field.Type == reflect.TypeFor[Secret]() || field.Type == reflect.TypeFor[DatabaseURL]()
}

// Unknown lists, sorted, the KEYTAG_ variables of the environment that nothing
// reads: misspelt ones, usually.
func (c Config) Unknown() []string { return slices.Clone(c.unknown) }
