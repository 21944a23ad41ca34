package main

import (
	"os"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test's own binary be the program: as moult in the scripts, and as moult for the tests that kill it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"moult": func() {
			// One thread makes every change on disk, so that strace counts them in the order in which they are made.
			runtime.LockOSThread()
			os.Exit(program().Main())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars,
				"GIT_AUTHOR_NAME=Maker", "GIT_AUTHOR_EMAIL=maker@example.org", "GIT_COMMITTER_NAME=Maker", "GIT_COMMITTER_EMAIL=maker@example.org",
				"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "TZ=UTC")
			return nil
		},
	})
}
