package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
)

var (
	scheme   = runtime.NewScheme()
	codecs   = serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	compiler = authenticationcel.NewDefaultCompiler()
)

func init() { install.Install(scheme) }

// loaded says whether a document is taken: DecodeError when it cannot be read, else one entry per broken rule.
type loaded struct {
	Loads       bool      `json:"loads"`
	DecodeError string    `json:"decodeError,omitempty"`
	Errors      []problem `json:"errors,omitempty"`
}

type problem struct {
	Type   string `json:"type"`
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// load does what kube-apiserver does with the content of --authentication-config.
func load(document string) (*apiserver.AuthenticationConfiguration, *loaded) {
	if len(document) == 0 {
		return nil, &loaded{DecodeError: "empty config data"}
	}
	object, err := runtime.Decode(codecs.UniversalDecoder(), []byte(document))
	if err != nil {
		return nil, &loaded{DecodeError: err.Error()}
	}
	configuration, ok := object.(*apiserver.AuthenticationConfiguration)
	if !ok {
		return nil, &loaded{DecodeError: fmt.Sprintf("expected AuthenticationConfiguration, got %T", object)}
	}
	result := &loaded{}
	for _, err := range validation.ValidateAuthenticationConfiguration(compiler, configuration, nil) {
		result.Errors = append(result.Errors, problem{string(err.Type), err.Field, err.Detail})
	}
	result.Loads = len(result.Errors) == 0
	return configuration, result
}
