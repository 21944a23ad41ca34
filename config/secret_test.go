package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"moult/config"
)

// Every secret of testdata/moult begins so.
const mark = "example-"

func TestSecretsNeverPrint(t *testing.T) {
	c := mustLoad(t, os.DirFS("testdata/moult"))
	secrets := 0
	for _, s := range []string{c.Modules[1].Token.Reveal(), c.WiFi[0].Password.Reveal(), c.GitHub.Token.Reveal(), c.Gitea.Token.Reveal(), c.Gateway.Key.Reveal(), c.MQTT.URL.Reveal()} {
		secrets += strings.Count(s, mark)
	}
	if secrets != 6 {
		t.Fatalf("got %d secrets, want 6", secrets)
	}
	type inside struct {
		secret config.Secret
		url    config.SecretURL
		list   []config.Secret
		in     map[string]config.Secret
	}
	in := inside{c.GitHub.Token, c.MQTT.URL, []config.Secret{c.GitHub.Token}, map[string]config.Secret{"token": c.GitHub.Token}}
	values := []any{c, *c, c.Modules, &c.Modules[1], c.WiFi, c.GitHub, c.Gateway, c.MQTT, c.MQTT.URL, &c.MQTT.URL,
		c.GitHub.Token, &c.GitHub.Token, in, &in, in.list, in.in}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10s", "%t"} {
			for _, text := range []string{fmt.Sprintf(verb, value), fmt.Errorf("x: "+verb, value).Error()} {
				if strings.Contains(text, mark) || strings.Contains(text, fmt.Sprintf("%x", mark)) || strings.Contains(text, "user:") {
					t.Errorf("%s of %T shows a secret: %s", verb, value, text)
				}
			}
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Errorf("json of %T: %v", value, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		if text := string(encoded) + log.String(); strings.Contains(text, mark) || strings.Contains(text, "user:") {
			t.Errorf("json or log of %T shows a secret: %s", value, text)
		}
	}
}

func TestSecretPrints(t *testing.T) {
	type printed struct{ v, plus, sharp, s, q, json string }
	tests := []struct {
		value any
		want  printed
	}{
		{config.NewSecret("hunter2"), printed{"(hidden)", "(hidden)", `"(hidden)"`, "(hidden)", `"(hidden)"`, `"(hidden)"`}},
		{config.NewSecret(""), printed{"", "", `""`, "", `""`, `""`}},
		{config.Secret{}, printed{"", "", `""`, "", `""`, `""`}},
		{config.NewSecretURL("mqtt://user:hunter2@broker:1883"), printed{"mqtt://(hidden)@broker:1883", "mqtt://(hidden)@broker:1883", `"mqtt://(hidden)@broker:1883"`, "mqtt://(hidden)@broker:1883", `"mqtt://(hidden)@broker:1883"`, `"mqtt://(hidden)@broker:1883"`}},
		{config.NewSecretURL("mqtt://u:a@b?c#d/e@broker"), printed{"mqtt://(hidden)@broker", "mqtt://(hidden)@broker", `"mqtt://(hidden)@broker"`, "mqtt://(hidden)@broker", `"mqtt://(hidden)@broker"`, `"mqtt://(hidden)@broker"`}},
		{config.NewSecretURL("mqtt://broker"), printed{"mqtt://broker", "mqtt://broker", `"mqtt://broker"`, "mqtt://broker", `"mqtt://broker"`, `"mqtt://broker"`}},
		{config.SecretURL{}, printed{"", "", `""`, "", `""`, `""`}},
	}
	for _, tt := range tests {
		encoded, err := json.Marshal(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		got := printed{fmt.Sprintf("%v", tt.value), fmt.Sprintf("%+v", tt.value), fmt.Sprintf("%#v", tt.value), fmt.Sprintf("%s", tt.value), fmt.Sprintf("%q", tt.value), string(encoded)}
		if got != tt.want {
			t.Errorf("got  %v\nwant %v", got, tt.want)
		}
	}
}

func TestSecretEqual(t *testing.T) {
	a, b, c := config.NewSecret("x"), config.NewSecret("x"), config.NewSecret("y")
	if !a.Equal(b) || a.Equal(c) || a.IsZero() || !config.NewSecret("").IsZero() || a.Reveal() != "x" || (config.Secret{}).Reveal() != "" {
		t.Error("a secret does not compare by its text")
	}
}
