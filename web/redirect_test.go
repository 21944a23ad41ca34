package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"moult/web"
)

// TestTokenAfterRedirects: a token stays behind once a redirect led elsewhere, also on the way back.
func TestTokenAfterRedirects(t *testing.T) {
	const token = "Bearer s3cret"
	for _, c := range []struct {
		name string
		hops []string // HOST/PATH, each of which redirects to the next
		want []string // of these, the ones that got the token
	}{
		{"on the same host", []string{"forge/a", "forge/b", "forge/c"}, []string{"forge/a", "forge/b", "forge/c"}},
		{"to another host", []string{"forge/a", "stranger/b"}, []string{"forge/a"}},
		{"back from another host", []string{"forge/a", "stranger/b", "forge/c"}, []string{"forge/a"}},
		{"on and on after the way back", []string{"forge/a", "stranger/b", "forge/c", "forge/d", "forge/e"}, []string{"forge/a"}},
		{"from another host", []string{"stranger/a", "forge/b"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := map[string]string{}
			var asked, withToken []string
			for _, host := range []string{"forge", "stranger"} {
				at[host] = serve(t, func(w http.ResponseWriter, r *http.Request) {
					asked = append(asked, host+r.URL.Path)
					if r.Header.Get("Authorization") != "" {
						withToken = append(withToken, host+r.URL.Path)
					}
					if n := len(asked); n < len(c.hops) {
						next, _ := url.Parse("//" + c.hops[n])
						w.Header().Set("Location", at[next.Host]+next.Path)
						w.WriteHeader(http.StatusFound)
					}
				})
			}
			forge, err := url.Parse(at["forge"])
			if err != nil {
				t.Fatal(err)
			}
			client, err := web.New(quick(nil)).With(web.Access{Host: forge.Host, Header: "Authorization", Value: token})
			if err != nil {
				t.Fatal(err)
			}
			first, _ := url.Parse("//" + c.hops[0])
			resp, err := client.Do(t.Context(), web.Request{URL: at[first.Host] + first.Path})
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if !slices.Equal(asked, c.hops) || !slices.Equal(withToken, c.want) {
				t.Errorf("got the requests %v, with the token %v, want %v, with it %v", asked, withToken, c.hops, c.want)
			}
		})
	}
}
