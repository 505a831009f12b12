// grafana reads a dashboard from standard input as Grafana's own types have it, with no field that they do not know, checks
// the bounds that they state, and prints how many panels it has.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	plugins.RegisterDefaultPlugins()
	read := dashboard.Dashboard{}
	// It answers with a list of errors, also with one that has none.
	if err := read.UnmarshalJSONStrict(data); err != nil && err.Error() != "" {
		return err
	}
	if err := read.Validate(); err != nil {
		return err
	}
	fmt.Println(len(read.Panels))
	return nil
}
