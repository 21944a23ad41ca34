package release_test

import (
	"strings"
	"testing"

	"moult/release"
)

func TestAssetName(t *testing.T) {
	pi, pc := release.Platform{OS: "linux", Arch: "arm", Arm: "6"}, release.Platform{OS: "linux", Arch: "amd64"}
	tests := []struct {
		name     string
		platform release.Platform
		in, want string
		wantErr  string
	}{
		{name: "all of them", platform: pi, in: "app_{version}_{os}_{arch}_{tag}.tar.gz", want: "app_1.2_linux_armv6_v1.2.tar.gz"},
		{name: "another architecture", platform: pc, in: "app-{arch}", want: "app-amd64"},
		{name: "none", platform: pc, in: "app", want: "app"},
		{name: "unknown", platform: pc, in: "app-{cpu}", wantErr: `"{cpu}"`},
		{name: "not closed", platform: pc, in: "app-{arch", wantErr: `"{arch"`},
		{name: "not opened", platform: pc, in: "app}", wantErr: `"}"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.platform.AssetName(test.in, release.MustVersion("v1.2"))
			if got != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("got %q, %v, want %q, %q", got, err, test.want, test.wantErr)
			}
		})
	}
}
