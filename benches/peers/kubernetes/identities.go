package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

const (
	// A user or group of the issuer has this before its name.
	prefix = "oidc:"
	// An issuer that cannot be reached for this long makes the start fail.
	patience = 30 * time.Second
)

// What a TokenReview may ask about; the defaults of countersign's server.apiAudiences.
var apiAudiences = authenticator.Audiences{
	"https://kubernetes.default.svc",
	"https://kubernetes.default.svc.cluster.local",
}

// identitySource says whose tokens are taken: an issuer's, or those of a file.
type identitySource struct {
	issuer, audience, issuerCA string
	tokenFile                  string
	cache                      bool
	cacheTTL                   time.Duration
}

// authenticator joins the parts in the order in which kube-apiserver joins them.
func (s identitySource) authenticator(life context.Context) (authenticator.Token, error) {
	tokens, err := s.uncached(life)
	if err != nil {
		return nil, err
	}
	tokens = authenticator.WrapAudienceAgnosticToken(apiAudiences, tokens)
	if s.cache {
		tokens = cache.New(tokens, true, s.cacheTTL, s.cacheTTL)
	}
	return tokens, nil
}

func (s identitySource) uncached(life context.Context) (authenticator.Token, error) {
	switch {
	case s.tokenFile != "" && s.issuer != "":
		return nil, errors.New("--token-file and --issuer exclude each other")
	case s.tokenFile != "":
		return tokenfile.NewCSV(s.tokenFile)
	case s.issuer == "" || s.audience == "" || s.issuerCA == "":
		return nil, errors.New("--issuer, --audience and --issuer-ca are needed, or --token-file")
	}
	authority, err := os.ReadFile(s.issuerCA)
	if err != nil {
		return nil, fmt.Errorf("--issuer-ca: %w", err)
	}
	tokens, err := oidc.New(life, oidc.Options{
		JWTAuthenticator:     s.jwt(),
		CAContentProvider:    bundle(authority),
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	})
	if err != nil {
		return nil, err
	}
	return tokens, healthy(life, tokens)
}

// bundle holds certificates that do not change.
type bundle []byte

func (b bundle) CurrentCABundleContent() []byte { return b }

func (s identitySource) jwt() apiserver.JWTAuthenticator {
	before := prefix
	return apiserver.JWTAuthenticator{
		Issuer: apiserver.Issuer{URL: s.issuer, Audiences: []string{s.audience}},
		ClaimMappings: apiserver.ClaimMappings{
			Username: apiserver.PrefixedClaimOrExpression{Claim: "sub", Prefix: &before},
			Groups:   apiserver.PrefixedClaimOrExpression{Claim: "groups", Prefix: &before},
		},
	}
}

// healthy waits until the authenticator knows its issuer. There is nothing to wait on but the answer to the question, so it
// is asked every millisecond: a start is measured, too.
func healthy(life context.Context, tokens oidc.AuthenticatorTokenWithHealthCheck) error {
	life, end := context.WithTimeout(life, patience)
	defer end()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		err := tokens.HealthCheck()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-life.Done():
			return err
		}
	}
}
