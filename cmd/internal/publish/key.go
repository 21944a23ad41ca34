package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"moult/cmd/internal/command"
	"moult/fault"
	"moult/keyfile"
	"moult/repository"
)

// shown is what key show says of a key.
type shown struct {
	File      string `json:"file"`
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Private   bool   `json:"private"`
	Encrypted bool   `json:"encrypted"`
}

func keyCommand(s *command.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make and look after the keys that sign releases",
		Long: `A key file is PKCS#8 in PEM that nobody but its owner may read, or the same encrypted with a passphrase. Who has the private key
signs; the public key says who may. Keys are RSA-2048 unless asked for otherwise: a MicroPython board reads no other kind.

` + command.ExitHelp,
		Example: `  moult key make online.pem
  moult key make root.pem --encrypt
  moult key export online.pem > online.pub
  moult key show *.pem`,
	}
	s.Holds(cmd)
	cmd.AddCommand(keyMake(s), keyShow(s), keyExport(s), keyEncrypt(s))
	return cmd
}

func keyMake(s *command.Shell) *cobra.Command {
	kind, encrypt := string(repository.RSA2048), false
	cmd := &cobra.Command{
		Use:   "make FILE",
		Short: "Make a private key",
		Long:  "Make writes a new private key that only its owner may read. A file that is there is never written over.\n\n" + command.ExitHelp,
		Example: `  moult key make online.pem
  moult key make root.pem --encrypt
  moult key make author.pem --type ed25519      # for Linux devices alone`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := makeKey(s, args[0], kind, encrypt)
			if err != nil {
				return err
			}
			return showKeys(s, f)
		},
	}
	kindFlag(cmd, &kind)
	cmd.Flags().BoolVar(&encrypt, "encrypt", false, "with a passphrase (MOULT_PASSPHRASE, or asked for)")
	return cmd
}

func kindFlag(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "type", *kind, "rsa (2048 bits), rsa-3072, rsa-4096, ed25519 or ecdsa")
	_ = cmd.RegisterFlagCompletionFunc("type", func(*cobra.Command, []string, string) (all []string, _ cobra.ShellCompDirective) {
		for _, k := range repository.Kinds() {
			all = append(all, string(k))
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
}

// makeKey writes a new key. Before any passphrase is asked for, the name must be free.
func makeKey(s *command.Shell, name, kind string, encrypt bool) (*keyfile.File, error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, fault.Hint(fmt.Errorf("%s: %w", name, fs.ErrExist), "a key is never written over; choose another name")
	}
	key, err := repository.Generate(repository.Kind(kind))
	if err != nil {
		return nil, command.Usage(fmt.Errorf("--type: %w", err))
	}
	passphrase := ""
	if encrypt {
		if passphrase, err = askPassphrase(s, name, true); err != nil {
			return nil, err
		}
	}
	return keyfile.Write(name, key, passphrase)
}

func keyShow(s *command.Shell) *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE…",
		Short:   "Show a key's id and kind, never the key itself",
		Long:    "Show prints the id by which the repository names a key, and what the file holds. It needs no passphrase.\n\n" + command.ExitHelp,
		Example: "  moult key show updates-keys/*.pem",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var files []*keyfile.File
			var failed []error
			for _, name := range args {
				f, err := keyfile.Read(name)
				if err != nil {
					failed = append(failed, err)
					continue
				}
				files = append(files, f)
			}
			return errors.Join(append([]error{showKeys(s, files...)}, failed...)...)
		},
	}
}

func showKeys(s *command.Shell, files ...*keyfile.File) error {
	for _, f := range files {
		k := shown{f.Name, f.ID, repository.KindOf(f.Public), f.Private, f.Encrypted}
		if s.JSON() {
			if err := s.Object(k); err != nil {
				return err
			}
			continue
		}
		holds := "public"
		if f.Encrypted {
			holds = "private, encrypted"
		} else if f.Private {
			holds = "private"
		}
		fmt.Fprintf(s.Out(), "%s  %s, %s\n  id %s\n", k.File, k.Kind, holds, k.ID)
	}
	return nil
}

func keyExport(s *command.Shell) *cobra.Command {
	return &cobra.Command{
		Use:     "export FILE",
		Short:   "Print a key's public half",
		Long:    "Export prints the public key in PEM, for whoever is to trust it. It needs no passphrase.\n\n" + command.ExitHelp,
		Example: "  moult key export author.pem > author.pub\n  moult repo add irrigation ./src --version 1.0 --signer author.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := keyfile.Read(args[0])
			if err != nil {
				return err
			}
			data, err := repository.PublicPEM(f.Public)
			if err != nil {
				return err
			}
			if s.JSON() {
				return s.Object(struct {
					ID     string `json:"id"`
					Public string `json:"public"`
				}{f.ID, string(data)})
			}
			_, err = s.Out().Write(data)
			return err
		},
	}
}

func keyEncrypt(s *command.Shell) *cobra.Command {
	return &cobra.Command{
		Use:     "encrypt FILE",
		Short:   "Encrypt a private key with a passphrase, in its place",
		Long:    "Encrypt asks for a passphrase (or takes MOULT_PASSPHRASE) and rewrites the file, wholly or not at all.\nWhat the disk held before may still be found on it.\n\n" + command.ExitHelp,
		Example: "  moult key encrypt updates-keys/root.pem",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if f, err := keyfile.Read(args[0]); err != nil {
				return err
			} else if f.Encrypted || !f.Private {
				return fmt.Errorf("%s: got a key that is public or encrypted already, want a private one", f.Name)
			}
			passphrase, err := askPassphrase(s, args[0], true)
			if err != nil {
				return err
			}
			f, err := keyfile.Encrypt(args[0], passphrase)
			if err != nil {
				return err
			}
			return showKeys(s, f)
		},
	}
}
