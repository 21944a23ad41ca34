module moult

go 1.26.0

require (
	github.com/hashicorp/go-version v1.9.0
	pgregory.net/rapid v1.3.0
)
