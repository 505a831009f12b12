package main

import (
	"time"

	"k8s.io/apiserver/pkg/cel/lazy"
)

// measured is in nanoseconds per operation: one entry per round, so that rounds of two programs can be interleaved.
type measured struct {
	Compile  []float64   `json:"compile"`
	Evaluate [][]float64 `json:"evaluate"`
}

const roundTime = 20 * time.Millisecond

// measure compiles the expression, and evaluates it for each of the claims, including what the authenticator does for
// each token before: the lazy value of its parsed claims.
func measure(asked request) *measured {
	compiled, err := compile(asked)
	if err != nil {
		panic(err)
	}
	rounds := max(asked.Rounds, 1)
	answer := &measured{}
	for range rounds {
		if asked.Only == "evaluate" {
			break
		}
		answer.Compile = append(answer.Compile, timePer(func() {
			if _, err := compile(asked); err != nil {
				panic(err)
			}
		}))
	}
	for _, text := range asked.Claims {
		claims, err := parseClaims(text)
		if err != nil {
			panic(err)
		}
		var times []float64
		for range rounds {
			times = append(times, timePer(func() {
				var value *lazy.MapValue = newClaimsValue(claims)
				if _, err := mapped(compiled, asked.Kind, value); err != nil {
					panic(err)
				}
			}))
		}
		answer.Evaluate = append(answer.Evaluate, times)
	}
	return answer
}

// timePer runs a function for about roundTime and says how many nanoseconds one call took.
func timePer(run func()) float64 {
	count := 1
	for {
		start := time.Now()
		for range count {
			run()
		}
		spent := time.Since(start)
		if spent >= roundTime {
			return float64(spent.Nanoseconds()) / float64(count)
		}
		count *= 2
	}
}
