package webhook

import "time"

// Overlap is how long a signing secret that was replaced signs along with the new one.
const Overlap = 24 * time.Hour

// OpenSecrets reads stored secrets, nil ones left out, each by open.
func OpenSecrets(open func(string) (string, error), stored ...*string) ([]Secret, error) {
	var secrets []Secret
	for _, text := range stored {
		if text == nil {
			continue
		}
		plain, err := open(*text)
		if err != nil {
			return nil, err
		}
		s, err := ParseSecret(plain)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}
