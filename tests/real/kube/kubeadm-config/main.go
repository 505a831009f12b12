// kubeadm-config reads one ClusterConfiguration from standard input as kubeadm reads it, with no field that kubeadm does
// not know, and prints what it understood of the API server as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime/serializer"

	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/scheme"
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
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	object, kind, err := codecs.UniversalDeserializer().Decode(data, nil, nil)
	if err != nil {
		return err
	}
	configuration := &kubeadm.ClusterConfiguration{}
	if err := scheme.Scheme.Convert(object, configuration, nil); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	arguments := map[string]string{}
	for _, argument := range configuration.APIServer.ExtraArgs {
		arguments[argument.Name] = argument.Value
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"arguments": arguments,
		"volumes":   configuration.APIServer.ExtraVolumes,
	})
}
