package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"

	"moult/fault"
	"moult/release"
)

// explain says what failed for which repository, whether another try may help, and what a person can do.
// It sees every error but those of put.
func (s *Source) explain(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("repository %s: %w", s.name, ended)
	}
	var unexpected *plumbing.UnexpectedError
	if errors.As(err, &unexpected) { // it does not unwrap
		err = unexpected.Err
	}
	wrapped := fmt.Errorf("repository %s: %w", s.name, err)
	if fault.IsTransient(err) || fault.HintOf(err) != "" {
		return wrapped
	}
	if s.end != nil && s.end.Protocol == "ssh" {
		if explained := s.explainSSH(err, wrapped); explained != nil {
			return explained
		}
	}
	return s.explainAnswer(err, wrapped)
}

// explainAnswer explains what a server answered.
func (s *Source) explainAnswer(err, wrapped error) error {
	var page *packp.ErrUnexpectedData
	var network net.Error // over https the wire keeps it, and go-git's refusal of a redirect looks like one
	var line *pktline.ErrorLine
	switch {
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fault.Hint(fmt.Errorf("repository %s: %w", s.name, release.ErrNotFound),
			"check the URL; a private repository is hidden from who has no token or key for it")
	case errors.Is(err, transport.ErrAuthenticationRequired):
		hint := "a private repository, or one that does not exist, needs a token that may read it"
		if s.opt.Token != "" || s.user != nil {
			hint = "check that the token is valid, has not expired and may read this repository"
		}
		// the text of the page that came with it is left out
		return fault.Hint(fmt.Errorf("repository %s: %w: %w", s.name, transport.ErrAuthenticationRequired, release.ErrNotFound), hint)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return fault.Hint(fmt.Errorf("repository %s: %w", s.name, transport.ErrAuthorizationFailed), "check that the token may read this repository")
	case errors.As(err, &page) && strings.HasSuffix(page.Msg, "EOF"), errors.Is(err, packp.ErrEmptyInput), isCut(err),
		s.end != nil && s.end.Protocol == "ssh" && errors.As(err, &network):
		return fault.Transient(wrapped)
	case errors.As(err, &line):
		return wrapped
	case errors.As(err, &page), errors.Is(err, pktline.ErrInvalidPktLen):
		return fault.Hint(fmt.Errorf("repository %s: got an answer that is not git's: %w", s.name, err), "check that the URL is one that git clone takes")
	}
	return wrapped
}

// explainSSH explains why a connection over ssh was not made; nil where it was made.
func (s *Source) explainSSH(err, wrapped error) error {
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return fault.Hint(wrapped, "the server shows another key than known_hosts has: ask its owner before you change known_hosts")
	case knownhosts.IsHostUnknown(err):
		return fault.Hint(wrapped, unknownHostHint(s.end))
	case errors.Is(err, errNoKey), strings.Contains(err.Error(), "ssh key"), strings.Contains(err.Error(), "unable to authenticate"):
		return fault.Hint(wrapped, "give a key without passphrase that may read this repository, or start an agent that holds one")
	case strings.Contains(err.Error(), "handshake failed"):
		return fault.Transient(wrapped) // the connection broke on the way
	}
	return nil
}

// networkError marks what another try may pass.
func networkError(err error) error {
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fault.Hint(fault.Transient(err), "check the clock of this device")
	case errors.As(err, &certificate):
		return fault.Hint(err, "the server's certificate is not trusted here; install the certificate of its authority")
	case errors.As(err, &header):
		return fault.Hint(err, "the server does not speak https at this address")
	case errors.Is(err, io.EOF):
		return fault.Transient(fmt.Errorf("connection closed: %w", io.ErrUnexpectedEOF))
	}
	return fault.Transient(err)
}
