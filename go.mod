module moult

go 1.26.0

require github.com/hashicorp/go-version v1.9.0

require golang.org/x/sys v0.49.0 // indirect
