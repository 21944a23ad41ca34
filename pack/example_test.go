package pack_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"moult/pack"
)

// A publisher writes what leads from the release that a device has to the new one; the device reads it.
func Example() {
	have := tree{"app.py": strings.Repeat("pump.on()\n", 90), "boot.py": "import app\n"}
	want := tree{"app.py": strings.Repeat("pump.on()\n", 90) + "pump.off()\n", "main.py": "import app\n"}
	to, base := want.manifest("1.1"), have.manifest("1.0")

	var wire bytes.Buffer
	w, err := pack.NewWriter(&wire, 12)
	if err != nil {
		panic(err)
	}
	if err := w.Section(pack.Module, 0, []byte("irrigation")); err != nil {
		panic(err)
	}
	if err := pack.Encode(w.Pack(), to, base, want.open, have.open); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	fmt.Println("fewer than 50 bytes:", wire.Len() < 50)

	b, err := pack.OpenBundle(&wire)
	if err != nil {
		panic(err)
	}
	s, err := b.Next()
	for ; err == nil && s.Kind != pack.PackKind; s, err = b.Next() {
		body, err := b.Body(64)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s\n", s.Kind, body)
	}
	files := pack.NewReader(b.Pack(), to, base)
	for {
		e, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			panic(err)
		}
		content, err := io.ReadAll(files.Body(strings.NewReader(have[e.Base.Path])))
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %d bytes, as a delta to %s\n", e.File.Path, len(content), e.Base.Path)
	}
	// Output:
	// fewer than 50 bytes: true
	// module: irrigation
	// app.py: 911 bytes, as a delta to app.py
}
