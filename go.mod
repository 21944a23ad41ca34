module moult

go 1.26.0

require github.com/hashicorp/go-version v1.9.0

require golang.org/x/sys v0.49.0

require github.com/google/go-cmp v0.7.0

require github.com/tailscale/hujson v0.0.0-20260727124030-b80ff77dac4f

require pgregory.net/rapid v1.3.0
