package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

type tlsFiles struct{ certificate, key, clientCA string }

// settings want a certificate of every caller, as countersign does when it is measured.
func (f tlsFiles) settings() (*tls.Config, error) {
	if f.certificate == "" || f.key == "" || f.clientCA == "" {
		return nil, fmt.Errorf("--tls-cert, --tls-key and --client-ca are needed")
	}
	certificate, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	bundle, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--client-ca: %w", err)
	}
	callers := x509.NewCertPool()
	if !callers.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("--client-ca: %s has no certificate", f.clientCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    callers,
		MinVersion:   tls.VersionTLS12,
	}, nil
}
