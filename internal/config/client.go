package config

// Client holds the settings of the commands that talk to a server. Its tags are those of Config.
type Client struct {
	URL   string `env:"KEYTAG_URL" default:"http://localhost:8080" validate:"public_url" usage:"the server"`
	Token Secret `env:"KEYTAG_TOKEN" usage:"the key to present"`
}
