// Kubernetes' own machinery as a webhook: what somebody would write who had to answer TokenReviews in Go, and took the API
// server's authenticator and its token cache for it. countersign is measured beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "peer-kubernetes: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	var identities identitySource
	var files tlsFiles
	flag.StringVar(&identities.issuer, "issuer", "", "URL of the OpenID Connect issuer")
	flag.StringVar(&identities.audience, "audience", "", "the audience that tokens must carry")
	flag.StringVar(&identities.issuerCA, "issuer-ca", "", "PEM file of the authority that the issuer's certificate is checked with")
	flag.StringVar(&identities.tokenFile, "token-file", "", "instead of an issuer: Kubernetes' static token file (CSV)")
	flag.BoolVar(&identities.cache, "cache", true, "whether the API server's token cache stands before the authenticator")
	flag.DurationVar(&identities.cacheTTL, "cache-ttl", 2*time.Minute, "how long an answer is kept, accepted or not")
	flag.StringVar(&files.certificate, "tls-cert", "", "PEM file of the serving certificate")
	flag.StringVar(&files.key, "tls-key", "", "PEM file of its private key")
	flag.StringVar(&files.clientCA, "client-ca", "", "PEM file of the authority that callers' certificates are checked with")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}

	life, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	settings, err := files.settings()
	if err != nil {
		return err
	}
	tokens, err := identities.authenticator(life)
	if err != nil {
		return err
	}
	return serve(life, &http.Server{Handler: routes(tokens), TLSConfig: settings})
}

func routes(tokens authenticator.Token) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /authenticate", reviewer{tokens})
	return mux
}

// serve says where it listens, on standard output, and answers until its life ends.
func serve(life context.Context, server *http.Server) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		<-life.Done()
		server.Close()
	}()
	fmt.Printf("ready https://%s\n", listener.Addr())
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
