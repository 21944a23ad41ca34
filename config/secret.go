package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

const hidden = "(hidden)"

// Secret is a password, token or key. However it is printed or encoded it does not show: it is "(hidden)", or "" where it is
// empty. [Secret.Reveal] is the only way to its text.
type Secret struct {
	text *string // a pointer, so that also as an unexported field of another type it prints as an address; nil is empty
}

// NewSecret makes a Secret of a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both are the same secret; == does not tell.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString is what %#v prints.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format prints the same for every verb.
func (s Secret) Format(f fmt.State, verb rune) { formatHidden(f, verb, s.String()) }

// MarshalText writes the secret as it prints; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes the secret as it prints.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// SecretURL is a URL that may hold a user and a password. It prints and encodes without them; [SecretURL.Reveal] returns it whole.
type SecretURL struct {
	text Secret
}

// NewSecretURL makes a SecretURL of a text.
func NewSecretURL(text string) SecretURL { return SecretURL{NewSecret(text)} }

// Reveal returns the URL with its user and password.
func (u SecretURL) Reveal() string { return u.text.Reveal() }

// IsZero reports whether there is none.
func (u SecretURL) IsZero() bool { return u.text.IsZero() }

// Equal reports whether both are the same URL; == does not tell.
func (u SecretURL) Equal(other SecretURL) bool { return u.text.Equal(other.text) }

// String returns the URL with "(hidden)" for its user and password.
func (u SecretURL) String() string { return hideUser(u.Reveal()) }

// GoString is what %#v prints.
func (u SecretURL) GoString() string { return fmt.Sprintf("%q", u.String()) }

// Format prints the same for every verb.
func (u SecretURL) Format(f fmt.State, verb rune) { formatHidden(f, verb, u.String()) }

// MarshalText writes the URL as it prints.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalJSON writes the URL as it prints.
func (u SecretURL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

func formatHidden(f fmt.State, verb rune, text string) {
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		fmt.Fprintf(f, "%q", text)
		return
	}
	fmt.Fprint(f, text)
}

// maxSecret bounds a secret's file, in bytes: far above any token.
const maxSecret = 64 << 10

// secret reads a text, {"file": path} or {"env": NAME}. No message shows its value.
func (n node) secret() Secret {
	const want = `want a text, {"file": path} or {"env": name}`
	switch n.kind() {
	case '"':
		return n.keepSecret(literalText(n.value))
	case '{':
	default:
		n.wrong("got %s, %s", n.what(), want)
		return Secret{}
	}
	var file, env *node
	members := n.object(keys{
		"file": func(v node) { file = &v },
		"env":  func(v node) { env = &v },
	})
	switch {
	case file != nil && env != nil:
		n.wrong(`got both "file" and "env", want one of them`)
	case file != nil:
		return n.secretFile(file.oneLine())
	case env != nil:
		return n.secretEnv(env.oneLine())
	case members == 0 || !n.strict:
		n.wrong(`got an object without "file" or "env", %s`, want)
	}
	return Secret{}
}

// envName is what a shell can set.
var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (n node) secretFile(name string) Secret {
	if name == "" {
		return Secret{}
	}
	var data []byte
	var err error
	switch {
	case path.IsAbs(name):
		data, err = n.opt.ReadFile(name)
		n.config.Outside = append(n.config.Outside, name)
	case fs.ValidPath(name):
		data, err = readBounded(n.root, name, maxSecret)
	default:
		n.at("file").wrong("got %s, want an absolute path, or a clean one below the device's directory", shown(name))
		return Secret{}
	}
	if err == nil && len(data) > maxSecret {
		err = tooLarge(maxSecret)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case err != nil:
		n.at("file").wrong("got %s, which cannot be read: %v", shown(name), cause(err))
	case text == "":
		n.at("file").wrong("got %s, which is empty, want the secret in it", shown(name))
	default:
		return n.keepSecret(text)
	}
	return Secret{}
}

func (n node) secretEnv(name string) Secret {
	if name == "" {
		return Secret{}
	}
	if !envName.MatchString(name) {
		n.at("env").wrong("got what is no variable's name, want letters, digits and _, such as MOULT_TOKEN") // perhaps the secret itself
		return Secret{}
	}
	text, found := n.opt.LookupEnv(name)
	switch {
	case !found:
		n.at("env").wrong("got %q, a variable that is not set", name)
	case text == "":
		n.at("env").wrong("got %q, a variable that is empty", name)
	default:
		return n.keepSecret(text)
	}
	return Secret{}
}

// keepSecret refuses what can be no secret: none has a line break or a NUL, and a header or a topic must not get one.
func (n node) keepSecret(text string) Secret {
	if i := strings.IndexFunc(text, isControl); i >= 0 {
		n.wrong("got a secret with a control character or line break at byte %d, want one line", i)
		return Secret{}
	}
	return NewSecret(text)
}
