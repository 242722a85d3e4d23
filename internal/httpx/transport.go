package httpx

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport gives the transport that a Client uses when it is given none:
// proxy from the environment, TLS 1.2 or newer, HTTP/2, and dial times short
// enough that a dead address leaves room for another try. Nothing is shared with
// http.DefaultTransport.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
	}
}
