package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	authentication "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// No TokenReview of an API server is larger: its own limit for request headers, where tokens come from, is 1 MiB.
const maxBody = 1 << 20

// reviewer answers TokenReviews with Go's own JSON, as webhooks in Go do: it is lighter than Kubernetes' codecs.
type reviewer struct{ tokens authenticator.Token }

func (r reviewer) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, maxBody))
	if err != nil {
		http.Error(writer, "the body cannot be read, or is too large", http.StatusBadRequest)
		return
	}
	// v1 and v1beta1 have the same fields.
	var review authentication.TokenReview
	if err := json.Unmarshal(body, &review); err != nil {
		// The error may quote the body, and so the token.
		http.Error(writer, "the body is not JSON, or not a TokenReview", http.StatusBadRequest)
		return
	}
	if group := review.GroupVersionKind(); group.Group != authentication.GroupName || group.Kind != "TokenReview" {
		http.Error(writer, fmt.Sprintf("a TokenReview of %s is wanted", authentication.GroupName), http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(authentication.TokenReview{TypeMeta: review.TypeMeta, Status: r.status(request, review.Spec)})
	if err != nil {
		http.Error(writer, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	writer.Write(answer)
}

func (r reviewer) status(request *http.Request, spec authentication.TokenReviewSpec) authentication.TokenReviewStatus {
	asked := request.Context()
	if len(spec.Audiences) > 0 {
		asked = authenticator.WithAudiences(asked, spec.Audiences)
	}
	response, ok, err := r.tokens.AuthenticateToken(asked, spec.Token)
	switch {
	case err != nil:
		return authentication.TokenReviewStatus{Error: err.Error()}
	case !ok:
		return authentication.TokenReviewStatus{}
	}
	return authentication.TokenReviewStatus{Authenticated: true, User: identity(response.User), Audiences: response.Audiences}
}

func identity(info user.Info) authentication.UserInfo {
	extra := make(map[string]authentication.ExtraValue, len(info.GetExtra()))
	for key, values := range info.GetExtra() {
		extra[key] = values
	}
	return authentication.UserInfo{Username: info.GetName(), UID: info.GetUID(), Groups: info.GetGroups(), Extra: extra}
}
