package git

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"moult/fault"
)

// keyFiles are tried where no key is named and after an agent's, as ssh does.
var keyFiles = [...]string{"id_ed25519", "id_ecdsa", "id_rsa"}

// sshAuth brings the keys that prove who asks, and the known hosts that prove the server.
func (s *Source) sshAuth(end *transport.Endpoint) (*gitssh.PublicKeysCallback, error) {
	known, err := gitssh.NewKnownHostsDb(s.opt.KnownHosts...)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("known hosts: %w", err), unknownHostHint(end))
	}
	user := end.User
	if user == "" {
		user = gitssh.DefaultUsername
	}
	return &gitssh.PublicKeysCallback{
		User:     user,
		Callback: func() ([]ssh.Signer, error) { return s.signers(user) },
		HostKeyCallbackHelper: gitssh.HostKeyCallbackHelper{
			HostKeyCallback: known.HostKeyCallback(),
			// of several keys that a host has, it is to show one that is known
			HostKeyAlgorithms: known.HostKeyAlgorithms(hostPort(end)),
		},
	}, nil
}

// hostPort returns where go-git will connect to, which ~/.ssh/config can change.
func hostPort(end *transport.Endpoint) string {
	host, port := end.Host, end.Port
	if config := gitssh.DefaultSSHConfig; config != nil {
		if name := config.Get(host, "Hostname"); name != "" {
			if p, err := strconv.Atoi(config.Get(host, "Port")); err == nil {
				port = p
			}
			host = name
		}
	}
	if port == 0 {
		port = gitssh.DefaultPort
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func unknownHostHint(end *transport.Endpoint) string {
	port := ""
	if end.Port != 0 && end.Port != gitssh.DefaultPort {
		port = fmt.Sprintf("-p %d ", end.Port)
	}
	return fmt.Sprintf("compare the host's key with what its owner publishes, then: ssh-keyscan %s%s >> ~/.ssh/known_hosts", port, end.Host)
}

var errNoKey = errors.New("got no ssh key")

func (s *Source) signers(user string) ([]ssh.Signer, error) {
	if s.opt.SSHKey != "" {
		signer, err := readKey(s.opt.SSHKey)
		if err != nil {
			return nil, err
		}
		return []ssh.Signer{signer}, nil
	}
	var all []ssh.Signer
	if os.Getenv("SSH_AUTH_SOCK") != "" {
		if agent, err := gitssh.NewSSHAgentAuth(user); err == nil {
			signers, err := agent.Callback()
			if err == nil {
				all = signers
			}
		}
	}
	var problem error
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range keyFiles {
			signer, err := readKey(filepath.Join(home, ".ssh", name))
			switch {
			case err == nil:
				all = append(all, signer)
			case !errors.Is(err, os.ErrNotExist):
				problem = err
			}
		}
	}
	switch {
	case len(all) > 0:
		return all, nil
	case problem != nil:
		return nil, problem
	}
	return nil, errNoKey
}

func readKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ssh key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("ssh key %s: %w", path, err)
	}
	return signer, nil
}
