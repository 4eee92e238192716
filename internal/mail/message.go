package mail

import (
	"bytes"
	"encoding/base64"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/keytag/keytag/internal/secret"
)

// Message is what one e-mail says.
type Message struct {
	// ID is the same over all retries; with the domain of the sender it makes the Message-ID, by which
	// receivers drop duplicates. At most 128 letters, digits and - _ . with no dot at either end.
	ID string
	// To are mailboxes, `anna@example.org` or `Anna <anna@example.org>`, in ASCII but for the name.
	To []string
	// Subject holds no control character.
	Subject string
	// Text is for those who read no HTML, and is needed; HTML may be empty.
	Text, HTML string
}

// compose checks m and writes it out. Whatever it refuses, it would refuse again.
func (s *Sender) compose(m Message) ([]*netmail.Address, []byte, error) {
	refuse := func(reason string) ([]*netmail.Address, []byte, error) {
		return nil, nil, &Failure{Permanent: true, Reason: reason}
	}
	if !isID(m.ID) {
		return refuse("the id of the message is malformed")
	}
	if hasControl(m.Subject) {
		return refuse("the subject holds a control character")
	}
	if m.Text == "" {
		return refuse("the text is empty")
	}
	for _, text := range []string{m.Subject, m.Text, m.HTML} {
		if secret.In(text) {
			return refuse("the message holds an API key")
		}
	}
	if len(m.To) == 0 {
		return refuse("no recipient")
	}
	var to []*netmail.Address
	for _, text := range m.To {
		address, ok := mailbox(text)
		if !ok {
			return refuse("a recipient is not an e-mail address in ASCII")
		}
		to = append(to, address)
	}

	_, domain, _ := strings.Cut(s.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(to...)
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.Subject(encodeSubject(strings.ToValidUTF8(m.Subject, "\uFFFD")))
	msg.SetBodyString(gomail.TypeTextPlain, body(m.Text))
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, body(m.HTML))
	}
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return refuse("the message cannot be encoded")
	}
	return to, content.Bytes(), nil
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// body is text with one kind of line break: after a bare CR, mime/quotedprintable drops the next LF.
func body(text string) string { return lineBreaks.Replace(strings.ToValidUTF8(text, "\uFFFD")) }

// mailbox reads one address of RFC 5322, refusing what would have to be quoted in a header or a command.
func mailbox(text string) (*netmail.Address, bool) {
	if hasControl(text) {
		return nil, false
	}
	address, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, false
	}
	quoted := (&netmail.Address{Address: address.Address}).String()
	// An encoded name may hold anything, however plain its text.
	if quoted != "<"+address.Address+">" || !isASCII(address.Address) || len(address.Address) > 254 ||
		hasControl(address.Name) || len(address.Name) > 128 {
		return nil, false
	}
	address.Name = strings.Join(strings.Fields(address.Name), " ") // folding needs single spaces
	return address, true
}

// IsAddress reports whether text is a bare address that mail can be sent to.
func IsAddress(text string) bool {
	address, ok := mailbox(text)
	return ok && address.Address == text
}

func isID(id string) bool {
	for _, r := range id {
		if r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return id != "" && len(id) <= 128 && strings.Trim(id, ".") == id && !strings.Contains(id, "..")
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func hasControl(text string) bool { return strings.IndexFunc(text, unicode.IsControl) >= 0 }

// encodeSubject leaves a subject as it is if it can be folded at its single spaces and cannot be taken
// for an encoded word; any other becomes encoded words (RFC 2047) of whole characters.
func encodeSubject(subject string) string {
	const longest = 60 // characters of a word, so that the first fits in the line of the name
	plain := isASCII(subject) && !strings.Contains(subject, "=?")
	for word := range strings.SplitSeq(subject, " ") {
		plain = plain && word != "" && len(word) <= longest
	}
	if plain || subject == "" {
		return subject
	}
	var words []string
	for subject != "" {
		end := min(len(subject), 33) // 44 characters in base64, and 12 around them
		for end < len(subject) && !utf8.RuneStart(subject[end]) {
			end--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(subject[:end]))+"?=")
		subject = subject[end:]
	}
	return strings.Join(words, " ")
}
