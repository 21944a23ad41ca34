package agent

import (
	"strings"
	"testing"

	"moult/update"
)

func TestQueue(t *testing.T) {
	a := &Agent{Modules: []*Module{{Module: &update.Module{Name: "irrigation"}}, {Module: &update.Module{Name: "garden"}}}}
	tests := []struct{ command, want string }{
		{"update", "rounds"},
		{"update irrigation", "rounds"},
		{"atualizar", "rounds"},
		{"restart", "rounds"},
		{"reiniciar", "rounds"},
		{"check", "checks"},
		{"check irrigation", "module irrigation"},
		{"rollback irrigation", "module irrigation"},
		{"restart garden", "module garden"},
		{"rollback", ""},
		{"rollback nosuch", ""},
		{"version", ""},
		{"time", ""},
		{"hist", ""},
		{"set a b", ""},
		{"temperature", "application"},
	}
	for _, test := range tests {
		words := strings.Fields(test.command)
		if got := a.Queue(words[0], words[1:]); got != test.want {
			t.Errorf("%s: got the queue %q, want %q", test.command, got, test.want)
		}
	}
}
