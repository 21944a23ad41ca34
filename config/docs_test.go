package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"moult/config"
)

// The reference's examples load, and it names every key that there is.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) == 0 {
		t.Fatal("got no examples")
	}
	opt := config.Options{
		LookupEnv: func(string) (string, bool) { return "x", true },
		ReadFile:  func(string) ([]byte, error) { return []byte("x\n"), nil },
	}
	for _, example := range examples {
		if _, err := config.Load(device(map[string]string{moultJSON: example[1]}), opt); err != nil {
			t.Errorf("%v in\n%s", err, example[1])
		}
	}

	const wrong = `{"-": 1}`
	problems := refused(t, device(map[string]string{moultJSON: `{"-": 1, "modules": {"a": {"-": 1, "url": "/a", "health": {"-": 1, "command": ["x"]}, "limits": ` + wrong + `, "trial": ` + wrong + `, "token": ` + wrong + `}},
		"wifi": {"-": 1, "ssid": "x"}, "github": ` + wrong + `, "gitea": ` + wrong + `, "gitlab": ` + wrong + `, "gateway": {"-": 1, "url": "http://x"},
		"repository": {"-": 1, "url": "http://x"}, "leds": ` + wrong + `, "mqtt": {"-": 1, "url": "mqtt://x"}, "check": ` + wrong + `}`}))
	const objects = 15
	if len(problems) != objects {
		t.Fatalf("got %d objects that tell their keys, want %d:\n%v", len(problems), objects, problems)
	}
	name := regexp.MustCompile(`"([a-z]+)"`)
	for _, p := range problems {
		for _, key := range name.FindAllStringSubmatch(p.Message, -1) {
			if !regexp.MustCompile("[`.\"]" + key[1] + "[`.\"\\[]").MatchString(text) {
				t.Errorf("%s: the reference does not name %q", strings.TrimSuffix(p.Key, ".-"), key[1])
			}
		}
	}
}
