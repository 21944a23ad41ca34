package forge_test

import (
	"net/url"
	"strings"
	"testing"

	"moult/fault"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

func TestParseRepo(t *testing.T) {
	for _, c := range []struct{ name, in, base, path string }{
		{"plain", "https://github.com/owner/repo", "https://github.com", "owner/repo"},
		{"slash at the end", "https://github.com/owner/repo/", "https://github.com", "owner/repo"},
		{".git", "https://github.com/owner/repo.git", "https://github.com", "owner/repo"},
		{".git and slash", " https://GitHub.com/Owner/Repo.git/ ", "https://github.com", "Owner/Repo"},
		{"scp form", "git@github.com:owner/repo.git", "https://github.com", "owner/repo"},
		{"ssh", "ssh://git@forge.local:2222/owner/repo.git", "https://forge.local", "owner/repo"},
		{"ssh on IPv6", "ssh://git@[2001:db8::1]:22/owner/repo", "https://[2001:db8::1]", "owner/repo"},
		{"no scheme", "codeberg.org/owner/repo", "https://codeberg.org", "owner/repo"},
		{"groups in groups", "https://gitlab.com/a/b/c/d.git", "https://gitlab.com", "a/b/c/d"},
		{"port", "https://forge.local:3000/owner/repo", "https://forge.local:3000", "owner/repo"},
		{"http on loopback", "http://127.0.0.1:3000/owner/repo", "http://127.0.0.1:3000", "owner/repo"},
		{"escapes", "https://forge.local/owner/a%20b", "", ""},
		{"http elsewhere", "http://github.com/owner/repo", "", ""},
		{"user and password", "https://me:s3cret@github.com/owner/repo", "", ""},
		{"no repository", "https://github.com/owner", "", ""},
		{"two slashes", "https://github.com/owner//repo", "", ""},
		{"dots", "https://github.com/owner/..", "", ""},
		{"a long path", "https://github.com/owner//" + strings.Repeat("x", 200_000), "", ""},
		{"a long scheme", strings.Repeat("x", 200_000) + "://github.com/owner/repo", "", ""},
		{"file", "file:///tmp/repo", "", ""},
		{"empty", "", "", ""},
		{"no URL", "https://github.com/%zz/repo", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, path, err := forge.ParseRepo(c.in)
			if base != c.base || path != c.path || (err == nil) != (c.base != "") {
				t.Errorf("got %q, %q, %v, want %q, %q", base, path, err, c.base, c.path)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got the password in %q", err)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("got an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	for host, want := range map[string]forge.Kind{"github.com": forge.GitHub, "GitHub.com.": forge.GitHub, "gitlab.com": forge.GitLab,
		"codeberg.org": forge.Gitea, "gitea.com": forge.Gitea, "github.com.evil.example": "", "": ""} {
		if got, ok := forge.KindOf(host); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", host, got, ok, want)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, kind := range []forge.Kind{forge.GitHub, forge.Gitea, forge.GitLab} {
		t.Run(string(kind), func(t *testing.T) {
			f := sourcetest.NewForge(t, kind, true)
			got, err := forge.Detect(t.Context(), web.New(f.WebOptions()), f.URL+"/")
			if got != kind {
				t.Errorf("got %q, %v, want %s", got, err, kind)
			}
			if n := len(f.Requests()); n > 3 {
				t.Errorf("got %d requests, want 3 at most", n)
			}
		})
	}
	for name, c := range map[string]struct {
		fault     sourcetest.Fault
		transient bool
	}{
		"none of them": {sourcetest.Status(404), false},
		"login page":   {sourcetest.WebPage(), false},
		"no JSON":      {sourcetest.Body("1"), false},
		"down":         {sourcetest.Silent(-1), true},
	} {
		t.Run(name, func(t *testing.T) {
			f := sourcetest.NewForge(t, forge.Gitea, false)
			f.Break(nil, -1, c.fault)
			kind, err := forge.Detect(t.Context(), web.New(f.WebOptions()), f.URL)
			if kind != "" || err == nil || fault.IsTransient(err) != c.transient || fault.HintOf(err) == "" {
				t.Errorf("got %q, %v (transient %t, hint %q), want an error", kind, err, fault.IsTransient(err), fault.HintOf(err))
			}
		})
	}
}

func TestFindSum(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for _, c := range []struct {
		name, sums, of string
		own            bool
		want           string
	}{
		{"text mode", a + "  x\n", "x", false, a},
		{"binary mode", a + " *x\n", "x", false, a},
		{"below a folder of find", a + "  ./x\n", "x", false, a},
		{"BSD", "SHA256 (x) = " + a, "x", false, a},
		{"BSD, a name with brackets", "SHA256 (x (1)) = " + a, "x (1)", false, a},
		{"name with spaces", a + "  a name\n", "a name", false, a},
		{"upper case", strings.ToUpper(a) + "  x\n", "x", false, a},
		{"among others", b + "  y\n" + a + "  x\n", "x", false, a},
		{"said twice alike", a + "  x\n" + a + "  x\n", "x", false, a},
		{"said twice otherwise", a + "  x\n" + b + "  x\n", "x", false, ""},
		{"of another folder", a + "  other/x\n", "x", false, ""},
		{"begins alike", a + "  xy\n", "x", false, ""},
		{"SHA-1", a[:40] + "  x\n", "x", false, ""},
		{"SHA-512", a + a + "  x\n", "x", false, ""},
		{"BSD of another kind", "SHA512 (x) = " + a, "x", false, ""},
		{"bare digest in a file for all", a + "\n", "x", false, ""},
		{"bare digest in its own file", a + "\n", "x", true, a},
		{"empty", "", "x", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := forge.FindSum(c.sums, c.of, c.own); got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, c.want)
			}
		})
	}
}

func TestNextPage(t *testing.T) {
	at, _ := url.Parse("https://forge.local/api/releases?page=1")
	for _, c := range []struct{ name, header, want string }{
		{"next among others", `<https://forge.local/x?page=1>; rel="prev", <https://forge.local/x?page=3>; rel="next"`, "https://forge.local/x?page=3"},
		{"relative", `</x?page=2>; rel=next`, "https://forge.local/x?page=2"},
		{"only last", `<https://forge.local/x?page=9>; rel="last"`, ""},
		{"another host", `<https://evil.example/x?page=2>; rel="next"`, ""},
		{"http", `<http://forge.local/x?page=2>; rel="next"`, ""},
		{"another port", `<https://forge.local:8443/x?page=2>; rel="next"`, ""},
		{"password", `<https://a:b@forge.local/x?page=2>; rel="next"`, ""},
		{"no brackets", `https://forge.local/x; rel="next"`, ""},
		{"empty", ``, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := forge.NextPage(at, []string{c.header}); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSafeURL(t *testing.T) {
	for _, c := range []struct{ name, base, address, want string }{
		{"https", "https://forge.local", "https://cdn.example/a", "https://cdn.example/a"},
		{"relative", "https://forge.local", "/a", "https://forge.local/a"},
		{"http of another host", "https://forge.local", "http://cdn.example/a", ""},
		{"http of its own host", "https://forge.local:8443", "http://forge.local:3000/a", "https://forge.local:8443/a"},
		{"http on loopback", "http://127.0.0.1:3000", "http://127.0.0.1:3000/a", "http://127.0.0.1:3000/a"},
		{"another scheme", "https://forge.local", "ftp://forge.local/a", ""},
		{"no URL", "https://forge.local", "https://%zz", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, err := url.Parse(c.base)
			if err != nil {
				t.Fatal(err)
			}
			if got := forge.SafeURL(base, c.address); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzFindSum(f *testing.F) {
	f.Add(strings.Repeat("a", 64)+"  x\nSHA256 (y) = "+strings.Repeat("b", 64), "x", false)
	f.Add(strings.Repeat("c", 64), "x", true)
	f.Fuzz(func(t *testing.T, sums, name string, own bool) {
		digest, ok := forge.FindSum(sums, name, own)
		if !ok {
			if digest != "" {
				t.Fatalf("got the digest %q of what was refused", digest)
			}
			return
		}
		if len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
			t.Fatalf("got the digest %q, want 64 lower-case hex digits", digest)
		}
		if !strings.Contains(strings.ToLower(sums), digest) || !own && !strings.Contains(sums, name) {
			t.Fatalf("got a digest that the file does not give for %q", name)
		}
		if again, ok := forge.FindSum(digest+"  "+name+"\n", name, false); strings.TrimLeft(name, " *") == name && !strings.HasPrefix(name, "./") &&
			name != "" && !strings.ContainsAny(name, "\r\n") && strings.TrimSpace(name) == name && (!ok || again != digest) {
			t.Fatalf("written back: got %q, %t, want %s", again, ok, digest)
		}
	})
}

func FuzzNextPage(f *testing.F) {
	f.Add(`<https://forge.local/x?page=3>; rel="next", </y>; rel=last`)
	at, _ := url.Parse("https://forge.local/api/releases?page=1")
	f.Fuzz(func(t *testing.T, header string) {
		next := forge.NextPage(at, []string{header})
		if next == "" {
			return
		}
		u, err := url.Parse(next)
		if err != nil || u.Scheme != "https" || u.Host != "forge.local" && u.Host != "forge.local:443" && !strings.EqualFold(u.Hostname(), "forge.local") || u.User != nil {
			t.Fatalf("got the next page %q, want one on the same host", next)
		}
		if again := forge.NextPage(at, []string{"<" + next + ">; rel=next"}); again != next && !strings.ContainsAny(next, ",;<>") {
			t.Fatalf("written back: got %q, want %q", again, next)
		}
	})
}

func FuzzParseRepo(f *testing.F) {
	f.Add("https://github.com/owner/repo.git")
	f.Add("git@github.com:owner/repo")
	f.Fuzz(func(t *testing.T, text string) {
		base, path, err := forge.ParseRepo(text)
		if err != nil {
			if base != "" || path != "" {
				t.Fatalf("got %q, %q of what was refused", base, path)
			}
			return
		}
		again, p, err := forge.ParseRepo(base + "/" + forge.EscapePath(path))
		if strings.HasSuffix(path, ".git") {
			return // "x.git.git" loses one more
		}
		if err != nil || again != base || p != path {
			t.Fatalf("%q: got %q, %q, %v when read again, want %q, %q", text, again, p, err, base, path)
		}
	})
}
