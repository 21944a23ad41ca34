package web

import (
	"net/url"
	"testing"
)

func TestAccessFor(t *testing.T) {
	client, err := New(Options{}).With(Access{Host: "api.github.com:443", Header: "Authorization", Value: "Bearer x"})
	if err != nil {
		t.Fatal(err)
	}
	if client, err = client.With(Access{Host: "[::1]:8080", Header: "Authorization", Value: "Bearer y"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		want      bool
	}{
		{"its host", "https://api.github.com/x", true},
		{"its port as well", "https://api.github.com:443/x", true},
		{"in capitals", "https://API.GitHub.com/x", true},
		{"unencrypted", "http://api.github.com/x", false},
		{"unencrypted on its port", "http://api.github.com:443/x", false},
		{"another port", "https://api.github.com:8443/x", false},
		{"host above", "https://github.com/x", false},
		{"host below", "https://x.api.github.com/x", false},
		{"host that begins alike", "https://api.github.com.evil.example/x", false},
		{"user that looks like it", "https://api.github.com@evil.example/x", false},
		{"IPv6 loopback", "http://[::1]:8080/x", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := client.accessFor(u); ok != c.want {
				t.Errorf("got %t, want %t", ok, c.want)
			}
		})
	}
	for _, value := range []string{"a\r\nHost: b", "a\x00", "é"} {
		if _, err := client.With(Access{Value: value}); err == nil {
			t.Errorf("token %q: got no error, want one", value)
		}
	}
}
