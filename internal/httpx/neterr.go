package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

const proxyHint = "check the network, and the proxy settings (HTTPS_PROXY, NO_PROXY)"

// failed is the outcome of an attempt that got no complete answer.
func (x *exchange) failed(ctx context.Context, err error) *outcome {
	if r, ok := errors.AsType[*refusal](err); ok {
		return &outcome{err: r.err}
	}
	if source := x.body.failure(); source != nil && ctx.Err() == nil {
		return &outcome{err: fault.New(fault.KindOf(source), "the body cannot be read: %w", source)}
	}
	var e *fault.Error
	again := true
	switch {
	case ctx.Err() != nil:
		e, again = stopped(ctx), false
	case errors.Is(context.Cause(x.ctx), errSlow):
		e = fault.New(fault.Unavailable, "%s did not answer within %s", x.at.Host, x.k.timeout()).WithHint(proxyHint)
		e.Err = context.DeadlineExceeded
	default:
		e, again = networkError(x.at.Host, err)
	}
	if !x.sent.excluded(err) {
		e = x.doubt(e)
		again = again && x.k.r.Class != Once
	}
	return &outcome{err: e, retry: again}
}

// networkError says what went wrong between here and host, and whether trying
// again may help.
func networkError(host string, err error) (e *fault.Error, again bool) {
	e = &fault.Error{Kind: fault.Unavailable, Err: err, Hint: proxyHint}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		e.Msg = "the name " + host + " cannot be resolved"
		e.Hint = "check the spelling of the host, DNS, and the proxy settings (HTTPS_PROXY)"
		return e, !dns.IsNotFound
	}
	if reason := untrusted(err); reason != "" {
		e.Msg = "the certificate of " + host + " is not accepted: " + reason
		e.Hint = "if a proxy inspects TLS here, name its CA in SSL_CERT_FILE; otherwise this is not the host you meant"
		return e, false
	}
	op, _ := errors.AsType[*net.OpError](err)
	switch {
	case isType[tls.RecordHeaderError](err):
		e.Msg = host + " does not speak TLS"
		return e, false
	case isType[tls.AlertError](err):
		e.Msg = "TLS with " + host + " failed: " + reasonOf(err)
		e.Hint = "a proxy that inspects TLS, or a client certificate that is asked for"
	case op != nil && op.Op == "proxyconnect":
		e.Msg = "the proxy on the way to " + host + " cannot be used: " + reasonOf(op.Err)
	case op != nil && op.Op == "dial":
		e.Msg = "cannot connect to " + host + ": " + reasonOf(op.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Msg = host + " closed the connection before the answer was complete"
	default:
		e.Msg = "the connection to " + host + " failed: " + reasonOf(err)
	}
	return e, true
}

// untrusted says why a certificate was refused, "" when that is not the failure.
func untrusted(err error) string {
	switch {
	case isType[x509.UnknownAuthorityError](err):
		return "its issuer is not known"
	case isType[x509.HostnameError](err):
		return "it is for another host"
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return reasonOf(bad)
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return reasonOf(bad.Err)
	}
	return ""
}

// dialFailure reports that err is about making a connection, by its type alone.
func dialFailure(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect") || isType[*net.DNSError](err) || untrusted(err) != ""
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// reasonOf is err's text, fit for a line. It can quote what a server sent.
func reasonOf(err error) string { return clip(safe.Line(err.Error()), 160) }

// clip cuts s to at most n runes.
func clip(s string, n int) string {
	s = strings.TrimSpace(s)
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}
