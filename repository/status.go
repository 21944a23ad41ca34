package repository

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Status is a repository at a glance.
type Status struct {
	Roles    []Role   `json:"roles"`
	Modules  []Module `json:"modules"`
	Settings Settings `json:"settings"`
}

// Role is a role of the root, or a module's.
type Role struct {
	Role      string    `json:"role"`
	Version   int64     `json:"version"`
	Expires   time.Time `json:"expires"`
	Due       bool      `json:"due,omitempty"` // it has spent more than half its life
	Threshold int       `json:"threshold"`
	Keys      []KeyInfo `json:"keys"`
	Bytes     int       `json:"bytes"` // of the file
}

// KeyInfo is a public key of a role.
type KeyInfo struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
}

// Module is a module with its releases, the newest first.
type Module struct {
	Module   string   `json:"module"`
	Releases []Target `json:"releases"`
}

// Status returns what stands in the repository, each signature proven.
func (v *View) Status() (*Status, error) {
	g, err := v.read()
	if err != nil {
		return nil, err
	}
	s := &Status{Settings: v.settings, Modules: []Module{}}
	for _, role := range g.roles() {
		who, _ := g.signatoryOf(role)
		end := g.expiry(role)
		r := Role{Role: role, Version: g.version(role), Expires: end, Threshold: who.threshold,
			Due: !v.now().Before(end.Add(-time.Duration(v.settings.Expires.of(role)) / 2))}
		list := g.root.Signed.Keys
		if g.root.Signed.Roles[role] == nil {
			list = g.targets.Signed.Delegations.Keys
		}
		for _, id := range who.ids {
			r.Keys = append(r.Keys, KeyInfo{id, kindOf(list[id])})
		}
		name := numbered(r.Version, role)
		if role == Timestamp {
			name = Timestamp + ".json"
		}
		info, err := v.disk.Lstat(g.dir + "/" + name)
		if err != nil {
			return nil, err
		}
		r.Bytes = int(info.Size())
		s.Roles = append(s.Roles, r)
	}
	for _, module := range g.moduleNames() {
		targets, err := g.releases(module)
		if err != nil {
			return nil, err
		}
		s.Modules = append(s.Modules, Module{module, targets})
	}
	return s, nil
}

func kindOf(key *metadata.Key) string {
	if key == nil {
		return "unknown"
	}
	public, err := key.ToPublicKey()
	if err != nil {
		return "unknown"
	}
	return KindOf(public)
}

// KindOf says in words what a public key is.
func KindOf(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}
