// Command delegate does what a component that delegates its authentication does: it posts one TokenReview through a
// kubeconfig with client-go's typed client, and prints the answer.
//
// The token comes on standard input. The request is Kubernetes protobuf, client-go's own choice, unless -json is given.
// The exit code says whether an answer came, not whether it was yes: 0 with the TokenReview on standard output as JSON,
// 3 with the error on standard error.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authenticationv1beta1 "k8s.io/api/authentication/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig string
	version    string
	audiences  []string
	json       bool
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` that says where to post the review and who posts it")
	flag.StringVar(&o.version, "version", "v1", "version of authentication.k8s.io: v1 or v1beta1")
	flag.BoolVar(&o.json, "json", false, "send JSON instead of Kubernetes protobuf")
	flag.Func("audience", "audience to ask for (repeatable)", func(a string) error {
		o.audiences = append(o.audiences, a)
		return nil
	})
	flag.Parse()
	answer, err := review(o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "delegate:", err)
		os.Exit(3)
	}
}

func review(o options) (any, error) {
	token, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	if o.json {
		config.ContentType = "application/json"
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	switch trimmed := strings.TrimSpace(string(token)); o.version {
	case "v1":
		return client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: trimmed, Audiences: o.audiences},
		}, metav1.CreateOptions{})
	case "v1beta1":
		return client.AuthenticationV1beta1().TokenReviews().Create(ctx, &authenticationv1beta1.TokenReview{
			Spec: authenticationv1beta1.TokenReviewSpec{Token: trimmed, Audiences: o.audiences},
		}, metav1.CreateOptions{})
	default:
		return nil, fmt.Errorf("-version %s: must be v1 or v1beta1", o.version)
	}
}
