package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates serves the certificate of server.tls_cert, and reads it again when its files
// have changed. While new files cannot be read the old certificate goes on.
type certificates struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	stamp   string
	checked time.Time
}

// recheck is how often the files are looked at, at the most.
const recheck = 10 * time.Second

// loadTLS is the TLS configuration of the server; nil without a certificate.
func loadTLS(config ServerConfig, log *slog.Logger) (*tls.Config, error) {
	if config.TLSCert == "" {
		return nil, nil
	}
	c := &certificates{cert: config.TLSCert, key: config.TLSKey, log: log}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("server.tls_cert: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= recheck {
		c.checked = now
		if err := c.load(); err != nil {
			c.log.Error("the new TLS certificate cannot be used, the old one goes on", "error", err)
		}
	}
	return c.current, nil
}

// load reads the files if they have changed.
func (c *certificates) load() error {
	stamp := ""
	for _, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.current, c.stamp = &pair, stamp
	return nil
}
