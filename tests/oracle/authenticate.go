package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unsafe"

	gooidc "github.com/coreos/go-oidc"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// authenticated has one outcome per token: "declined" (no issuer's), "error", "accepted".
type authenticated struct {
	Outcomes []outcome `json:"outcomes,omitempty"`
}

type outcome struct {
	Outcome string    `json:"outcome"`
	Error   string    `json:"error,omitempty"`
	User    *userInfo `json:"user,omitempty"`
}

type userInfo struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

func (u userInfo) info() user.Info {
	return &user.DefaultInfo{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: u.Extra}
}

// authenticate puts the tokens to the authenticators that the API server makes of the document, joined as it joins them.
// Keys come through the API server's own client for key sets; only the network below it is replaced.
func authenticate(asked request) (*loaded, *authenticated) {
	configuration, loaded := load(asked.Document)
	if !loaded.Loads {
		return loaded, nil
	}
	life, end := context.WithCancel(context.Background())
	defer end()
	var issuers []authenticator.Token
	for _, jwt := range configuration.JWT {
		issuer, err := newAuthenticator(life, jwt, asked)
		if err != nil {
			panic(err)
		}
		issuers = append(issuers, issuer)
	}
	if len(issuers) == 0 {
		return loaded, &authenticated{Outcomes: declinedAll(len(asked.Tokens))}
	}
	chain := union.NewFailOnError(issuers...)
	result := &authenticated{}
	for _, token := range asked.Tokens {
		result.Outcomes = append(result.Outcomes, outcomeOf(chain, token))
	}
	return loaded, result
}

func declinedAll(count int) (all []outcome) {
	for range count {
		all = append(all, outcome{Outcome: "declined"})
	}
	return all
}

func outcomeOf(chain authenticator.Token, token string) (result outcome) {
	defer func() {
		if panicked := recover(); panicked != nil {
			result = outcome{Outcome: "panicked", Error: fmt.Sprint(panicked)}
		}
	}()
	response, ok, err := chain.AuthenticateToken(context.Background(), token)
	switch {
	case err != nil:
		return outcome{Outcome: "error", Error: err.Error()}
	case !ok:
		return outcome{Outcome: "declined"}
	}
	info := response.User
	return outcome{Outcome: "accepted", User: &userInfo{info.GetName(), info.GetUID(), info.GetGroups(), info.GetExtra()}}
}

func newAuthenticator(life context.Context, jwt apiserver.JWTAuthenticator, asked request) (authenticator.Token, error) {
	url := jwt.Issuer.URL
	client := &http.Client{Transport: memory{url: url, keys: asked.JWKS[url]}}
	// How the discovery document is found and whom the connection trusts is not asked here.
	jwt.Issuer.DiscoveryURL = ""
	jwt.Issuer.EgressSelectorType = ""
	options := oidc.Options{
		JWTAuthenticator:     jwt,
		KeySet:               gooidc.NewRemoteKeySet(gooidc.ClientContext(life, client), "https://keys.invalid/"),
		Client:               client,
		Compiler:             compiler,
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	}
	if asked.Now != 0 {
		setClock(&options, time.Unix(asked.Now, 0))
	}
	return oidc.New(life, options)
}

// setClock sets the field that the authenticator's own tests stop the time with.
func setClock(options *oidc.Options, now time.Time) {
	field := reflect.ValueOf(options).Elem().FieldByName("now")
	clock := func() time.Time { return now }
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(clock))
}

// memory answers for an issuer without a network.
type memory struct{ url, keys string }

func (m memory) RoundTrip(request *http.Request) (*http.Response, error) {
	body := m.keys
	if strings.HasSuffix(request.URL.Path, "/.well-known/openid-configuration") {
		body = fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://keys.invalid/"}`, m.url)
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Status:     "200 OK",
		Header:     http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"max-age=3600"}},
		Body:       io.NopCloser(bytes.NewReader([]byte(body))),
		Request:    request,
	}, nil
}
