// Command oracle answers questions about AuthenticationConfigurations, tokens and expressions with Kubernetes' own code:
// nothing of it is written again here, and what the API server keeps to itself is reached by linkname or reflection.
//
// It reads one JSON object per line and writes one per line, in the same order:
//
//	{"op":"load","document":"..."}
//	{"op":"authenticate","document":"...","now":1800000000,"jwks":{"https://issuer":"{\"keys\":[...]}"},"tokens":["..."]}
//	{"op":"cel","kind":"mapping|rule|user|any-user","expression":"...","claims":["{...}"],"users":[{...}],"cost":true}
//	{"op":"bench","kind":"mapping","expression":"...","claims":["{...}"],"rounds":5,"only":"compile|evaluate"}
//
// A member "id" is given back as it is. See the files for what the answers hold.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/klog/v2"
)

type request struct {
	ID         json.RawMessage   `json:"id,omitempty"`
	Op         string            `json:"op"`
	Document   string            `json:"document"`
	Now        int64             `json:"now"`
	JWKS       map[string]string `json:"jwks"`
	Tokens     []string          `json:"tokens"`
	Kind       string            `json:"kind"`
	Expression string            `json:"expression"`
	Claims     []string          `json:"claims"`
	Users      []userInfo        `json:"users"`
	Cost       bool              `json:"cost"`
	Rounds     int               `json:"rounds"`
	Only       string            `json:"only"`
}

type answer struct {
	ID    json.RawMessage `json:"id,omitempty"`
	Fault string          `json:"fault,omitempty"`
	*loaded
	*authenticated
	*evaluated
	*measured
}

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	answers := bufio.NewWriterSize(out, 1<<20)
	encoder := json.NewEncoder(answers)
	encoder.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(answerTo(line)); err != nil {
				return err
			}
		}
		// Whoever asks one by one waits for the answer; who sends many gets them together.
		if lines.Buffered() == 0 {
			if err := answers.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return answers.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func answerTo(line []byte) (a answer) {
	var asked request
	defer func() {
		if panicked := recover(); panicked != nil {
			a = answer{ID: asked.ID, Fault: fmt.Sprintf("panic: %v", panicked)}
		}
	}()
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Fault: err.Error()}
	}
	a.ID = asked.ID
	switch asked.Op {
	case "load":
		_, a.loaded = load(asked.Document)
	case "authenticate":
		a.loaded, a.authenticated = authenticate(asked)
	case "cel":
		a.evaluated = evaluate(asked)
	case "bench":
		a.measured = measure(asked)
	default:
		a.Fault = fmt.Sprintf("unknown op %q", asked.Op)
	}
	return a
}
