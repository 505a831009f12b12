// kind reads a cluster configuration from standard input as kind reads it, with no field that kind does not know, applies
// its patches to a ClusterConfiguration like kind's own (the file given), and prints the result.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	jsonpatch "github.com/evanphx/json-patch/v5"
	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// typeMeta says what a patch is for.
type typeMeta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	cluster := v1alpha4.Cluster{}
	decoder := yaml3.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cluster); err != nil {
		return err
	}
	document, err := read(file)
	if err != nil {
		return err
	}
	target := typeMeta{}
	if err := yaml.Unmarshal(document, &target); err != nil {
		return err
	}
	for _, node := range cluster.Nodes {
		for _, mount := range node.ExtraMounts {
			fmt.Fprintf(os.Stderr, "mount %s %s %v\n", mount.HostPath, mount.ContainerPath, mount.Readonly)
		}
		if document, err = patched(document, node, target); err != nil {
			return err
		}
	}
	result, err := yaml.JSONToYAML(document)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(result)
	return err
}

// patched applies those patches that are for the document, as kind does.
func patched(document []byte, node v1alpha4.Node, target typeMeta) ([]byte, error) {
	for _, text := range node.KubeadmConfigPatches {
		patch, err := yaml.YAMLToJSONStrict([]byte(text))
		if err != nil {
			return nil, err
		}
		meant := typeMeta{}
		if err := yaml.Unmarshal(patch, &meant); err != nil {
			return nil, err
		}
		if meant != target {
			continue
		}
		if document, err = jsonpatch.MergePatch(document, patch); err != nil {
			return nil, err
		}
	}
	for _, operations := range node.KubeadmConfigPatchesJSON6902 {
		if (typeMeta{operations.Group + "/" + operations.Version, operations.Kind}) != target {
			continue
		}
		text, err := yaml.YAMLToJSONStrict([]byte(operations.Patch))
		if err != nil {
			return nil, err
		}
		patch, err := jsonpatch.DecodePatch(text)
		if err != nil {
			return nil, err
		}
		if document, err = patch.Apply(document); err != nil {
			return nil, err
		}
	}
	return document, nil
}

func read(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSONStrict(data)
}
