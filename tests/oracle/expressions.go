package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	_ "unsafe" // for linkname

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/lazy"
	_ "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc" // for linkname
)

//go:linkname newClaimsValue k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.newClaimsValue
func newClaimsValue(claims map[string]json.RawMessage) *lazy.MapValue

//go:linkname newUserInfoValue k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.newUserInfoValue
func newUserInfoValue(info user.Info) *lazy.MapValue

// evaluated says whether an expression compiles, to which static type, and what it gives for each of the claims or users.
type evaluated struct {
	Compiles     bool     `json:"compiles"`
	CompileError string   `json:"compileError,omitempty"`
	StaticType   string   `json:"staticType,omitempty"`
	Results      []result `json:"results,omitempty"`
}

type result struct {
	Error string `json:"error,omitempty"`
	Value any    `json:"value,omitempty"`
	// What the evaluation cost, in Kubernetes' units, if asked for.
	Cost *uint64 `json:"cost,omitempty"`
}

func compile(asked request) (authenticationcel.CompilationResult, error) {
	switch asked.Kind {
	case "mapping":
		return compiler.CompileClaimsExpression(&authenticationcel.ClaimMappingExpression{Expression: asked.Expression})
	case "rule":
		return compiler.CompileClaimsExpression(&authenticationcel.ClaimValidationCondition{Expression: asked.Expression})
	case "user":
		return compiler.CompileUserExpression(&authenticationcel.UserValidationCondition{Expression: asked.Expression})
	case "any-user":
		return compiler.CompileUserExpression(&authenticationcel.ClaimMappingExpression{Expression: asked.Expression})
	}
	panic(fmt.Sprintf("unknown kind %q", asked.Kind))
}

func evaluate(asked request) *evaluated {
	compiled, err := compile(asked)
	if err != nil {
		return &evaluated{CompileError: err.Error()}
	}
	answer := &evaluated{Compiles: true, StaticType: compiled.AST.OutputType().String()}
	for _, text := range asked.Claims {
		claims, err := parseClaims(text)
		if err != nil {
			answer.Results = append(answer.Results, result{Error: "claims: " + err.Error()})
			continue
		}
		answer.Results = append(answer.Results, evaluateOne(compiled, asked, func() (string, traits.Mapper) {
			return "claims", newClaimsValue(claims)
		}))
	}
	for _, user := range asked.Users {
		answer.Results = append(answer.Results, evaluateOne(compiled, asked, func() (string, traits.Mapper) {
			return "user", newUserInfoValue(user.info())
		}))
	}
	return answer
}

func parseClaims(text string) (claims map[string]json.RawMessage, err error) {
	err = json.Unmarshal([]byte(text), &claims)
	return claims, err
}

// evaluateOne asks the API server's mapper. The variable is made anew for each run, as it remembers what was looked at.
func evaluateOne(compiled authenticationcel.CompilationResult, asked request, variable func() (string, traits.Mapper)) (answer result) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = result{Error: fmt.Sprintf("panic: %v", panicked)}
		}
	}()
	_, value := variable()
	evaluation, err := mapped(compiled, asked.Kind, value)
	if err != nil {
		answer.Error = err.Error()
	} else {
		answer.Value = plain(evaluation)
	}
	if asked.Cost {
		name, value := variable()
		if _, details, _ := compiled.Program.Eval(map[string]any{name: value}); details != nil {
			answer.Cost = details.ActualCost()
		}
	}
	return answer
}

func mapped(compiled authenticationcel.CompilationResult, kind string, value traits.Mapper) (ref.Val, error) {
	results := []authenticationcel.CompilationResult{compiled}
	if kind == "user" || kind == "any-user" {
		evaluations, err := authenticationcel.NewUserMapper(results).EvalUser(context.Background(), value)
		if err != nil {
			return nil, err
		}
		return evaluations[0].EvalResult, nil
	}
	evaluation, err := authenticationcel.NewClaimsMapper(results).EvalClaimMapping(context.Background(), value)
	return evaluation.EvalResult, err
}

type typed struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// plain writes a value with its type, so that nothing is lost in JSON: numbers are text, maps are sorted pairs.
func plain(value ref.Val) typed {
	name := value.Type().TypeName()
	switch v := value.(type) {
	case types.Bool:
		return typed{name, bool(v)}
	case types.Int:
		return typed{name, strconv.FormatInt(int64(v), 10)}
	case types.Uint:
		return typed{name, strconv.FormatUint(uint64(v), 10)}
	case types.Double:
		return typed{name, double(float64(v))}
	case types.String:
		return typed{name, string(v)}
	case types.Bytes:
		return typed{name, base64.StdEncoding.EncodeToString(v)}
	case types.Null:
		return typed{name, nil}
	case *types.Type:
		return typed{name, v.String()}
	case *types.Optional:
		if !v.HasValue() {
			return typed{name, nil}
		}
		return typed{name, plain(v.GetValue())}
	case *types.Err:
		return typed{"error", v.Error()}
	case *lazy.MapValue:
		return typed{name, nil}
	case traits.Mapper:
		pairs := [][2]typed{}
		for keys := v.Iterator(); keys.HasNext() == types.True; {
			key := keys.Next()
			pairs = append(pairs, [2]typed{plain(key), plain(v.Get(key))})
		}
		sort.Slice(pairs, func(i, j int) bool { return fmt.Sprint(pairs[i][0]) < fmt.Sprint(pairs[j][0]) })
		return typed{"map", pairs}
	case traits.Lister:
		items := []typed{}
		for elements := v.Iterator(); elements.HasNext() == types.True; {
			items = append(items, plain(elements.Next()))
		}
		return typed{"list", items}
	}
	text, ok := value.ConvertToType(cel.StringType).(types.String)
	if ok {
		return typed{name, string(text)}
	}
	return typed{name, fmt.Sprint(value.Value())}
}

func double(value float64) string {
	switch {
	case math.IsNaN(value):
		return "NaN"
	case math.IsInf(value, 0):
		return fmt.Sprint(value)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}
