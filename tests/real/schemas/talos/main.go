// talos reads a patch for a machine configuration from standard input as talosctl reads it, applies it to a control-plane
// node's configuration, and prints what Talos understood of its files and of the API server as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
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
	patch, err := configpatcher.LoadPatch(data)
	if err != nil {
		return err
	}
	input, err := generate.NewInput("trial", "https://10.0.0.1:6443", "1.34.0")
	if err != nil {
		return err
	}
	node, err := input.Config(machine.TypeControlPlane)
	if err != nil {
		return err
	}
	output, err := configpatcher.Apply(configpatcher.WithConfig(node), []configpatcher.Patch{patch})
	if err != nil {
		return err
	}
	patched, err := output.Config()
	if err != nil {
		return err
	}
	warnings, err := patched.Validate(mode{})
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	files := []map[string]any{}
	configured, err := patched.Machine().Files()
	if err != nil {
		return err
	}
	for _, file := range configured {
		files = append(files, map[string]any{
			"path": file.Path(), "op": file.Op(), "permissions": fmt.Sprintf("%o", file.Permissions()), "content": file.Content(),
		})
	}
	volumes := []map[string]any{}
	for _, volume := range patched.Cluster().APIServer().ExtraVolumes() {
		volumes = append(volumes, map[string]any{
			"hostPath": volume.HostPath(), "mountPath": volume.MountPath(), "readOnly": volume.ReadOnly(),
		})
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"files": files, "arguments": patched.Cluster().APIServer().ExtraArgs(), "volumes": volumes,
	})
}

// mode is a machine of metal, as far as validation asks.
type mode struct{}

func (mode) String() string        { return "metal" }
func (mode) RequiresInstall() bool { return false }
func (mode) InContainer() bool     { return false }
