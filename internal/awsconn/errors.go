package awsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// Explain turns an SDK error into a *fault.Error of this source. It names the account
// and the region, either of which may be "", and for a refusal the IAM action that was
// missing. nil stays nil; a *fault.Error is only completed.
func (c *Conn) Explain(err error, account, region string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return fault.At(e, c.name, "")
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &fault.Error{Kind: fault.Interrupted, Source: c.name, Msg: "interrupted", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Kind: fault.Unavailable, Source: c.name, Msg: "the time for this operation is over", Hint: "allow more time", Err: err}
	}
	e := c.fault(fault.Unavailable, "")
	e.Err = err
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		c.refused(e, err, api)
	} else if f, ok := errors.AsType[*failure](err); ok {
		e.Msg = f.msg
		e.Hint = "check the network, and the proxy settings (HTTPS_PROXY, NO_PROXY)"
	} else {
		c.unclear(e, err)
	}
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.Status = answer.HTTPStatusCode()
	}
	e.Msg = safe.Line(e.Msg)
	if at := place(account, region); at != "" {
		e.Msg = at + ": " + e.Msg
	}
	return e
}

// On tells [Conn.Explain] what a call was about, so that a refusal names the resource
// beside the action: "role web". nil stays nil.
func On(err error, resource string) error {
	if err == nil || resource == "" {
		return err
	}
	return &callOn{err, resource}
}

type callOn struct {
	error
	resource string
}

func (c *callOn) Unwrap() error { return c.error }

// refused words an error that AWS sent.
func (c *Conn) refused(e *fault.Error, err error, api smithy.APIError) {
	code, status := api.ErrorCode(), 0
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = answer.HTTPStatusCode()
	}
	e.Kind, e.Msg = kindOf(code, status), code
	if m := strings.TrimSpace(api.ErrorMessage()); m != "" {
		plain, _, _ := strings.Cut(m, "Encoded authorization failure message:") // EC2's, for sts:DecodeAuthorizationMessage
		e.Msg += ": " + clip(strings.Join(strings.Fields(plain), " "), 400)
	}
	action, need := Action(err), Action(err)
	if on, ok := errors.AsType[*callOn](err); ok && need != "" {
		need += " on " + on.resource
	}
	switch {
	case code == "OptInRequired" || code == "RegionDisabledException" || code == "SubscriptionRequiredException":
		e.Hint = "the region or the service is not enabled in this account; enable it, or take the region out of `regions`"
	case e.Kind == fault.Auth:
		e.Hint = "renew the credential of source " + c.name + " (aws sso login, AWS_PROFILE, access keys). " +
			"If only some regions refuse it, they may not be enabled in the account"
	case e.Kind == fault.Denied && action != "":
		e.Msg += " (" + need + " is needed)"
		e.Hint = "allow " + need + " to the role or user that edrc runs as; a service control policy may also deny it"
	case e.Kind == fault.RateLimited:
		e.Hint = "AWS throttles this API for each account and region: try again later, or run fewer tools at once"
	}
}

// unclear words what is neither an answer nor a failed connection: a credential that
// could not be renewed, or an answer that could not be read.
func (c *Conn) unclear(e *fault.Error, err error) {
	e.Msg = short(err)
	answer, answered := errors.AsType[*awshttp.ResponseError](err)
	switch {
	case answered:
		e.Msg = "the answer cannot be read (" + http.StatusText(answer.HTTPStatusCode()) + "): " + short(err)
		if s := answer.HTTPStatusCode(); s/100 == 4 {
			e.Kind = kindOf("", s)
		}
		e.Hint = "a proxy may have answered, or the endpoint does not have this API"
	case strings.Contains(err.Error(), "credentials"):
		e.Kind, e.Hint = fault.Auth, c.loginHint()
	}
}

// kindOf maps an error code, or the status where the code says nothing.
func kindOf(code string, status int) fault.Kind {
	if _, throttled := retry.DefaultThrottleErrorCodes[code]; throttled || status == http.StatusTooManyRequests {
		return fault.RateLimited
	}
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "RequestExpired", "InvalidAccessKeyId", "InvalidToken":
		return fault.Auth
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "OptInRequired", "RegionDisabledException":
		return fault.Denied
	case "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException":
		return fault.NotFound
	case "ConflictException", "EntityAlreadyExists", "DependencyViolation", "IncorrectInstanceState", "IncorrectState",
		"ConcurrentModification", "OperationNotPermitted":
		return fault.Conflict
	case "UnsupportedOperation", "UnmodifiableEntity":
		return fault.Unsupported
	case "LimitExceeded":
		return fault.Quota
	}
	switch {
	case strings.HasSuffix(code, ".NotFound"):
		return fault.NotFound
	case strings.HasSuffix(code, ".Duplicate"):
		return fault.Conflict
	case strings.HasSuffix(code, "LimitExceeded"):
		return fault.Quota
	case status == http.StatusUnauthorized:
		return fault.Auth
	case status == http.StatusForbidden:
		return fault.Denied
	case status == http.StatusNotFound:
		return fault.NotFound
	case status == http.StatusConflict:
		return fault.Conflict
	case status/100 == 4:
		return fault.Invalid
	}
	return fault.Unavailable
}

// Action gives the IAM action behind an SDK error, "guardduty:ListFindings", "" when
// the error does not tell.
func Action(err error) string {
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return ""
	}
	service := strings.ToLower(strings.ReplaceAll(op.Service(), " ", ""))
	if service == "elasticloadbalancingv2" {
		service = "elasticloadbalancing"
	}
	return service + ":" + op.Operation()
}

// credentialError words that there are no credentials, or that a role cannot be assumed.
func (c *Conn) credentialError(err error, role Account) error {
	e, ok := errors.AsType[*fault.Error](c.Explain(err, role.ID, ""))
	if !ok || e.Kind == fault.Interrupted {
		return e
	}
	_, refused := errors.AsType[smithy.APIError](err)
	switch {
	case role.RoleARN != "" && e.Kind == fault.Denied:
		return e.WithHint("let the credential assume %s: sts:AssumeRole in its own policy and in the role's trust policy, "+
			"with the external id%s", role.RoleARN, map[bool]string{true: " and sts:SetSourceIdentity"}[c.opt.SourceIdentity != ""])
	case !refused && e.Kind == fault.Unavailable && !isType[*failure](err):
		e.Kind, e.Hint = fault.Auth, c.loginHint()
	}
	return e
}

func (c *Conn) loginHint() string {
	profile := ""
	if c.opt.Profile != "" {
		profile = " --profile " + c.opt.Profile
	}
	return "log in (aws sso login" + profile + "), set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give source " + c.name + " a profile"
}

func (c *Conn) fault(k fault.Kind, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: c.name, Msg: msg}
}

// place is "account/region", or the one of them that is known.
func place(account, region string) string {
	if account == "" || region == "" {
		return account + region
	}
	return account + "/" + region
}

// connection says why there is no connection, and whether that is final; "" when err is
// about something else.
func connection(err error) (why string, final bool) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name cannot be resolved", dns.IsNotFound
	}
	switch {
	case isType[x509.UnknownAuthorityError](err), isType[x509.HostnameError](err), isType[x509.CertificateInvalidError](err),
		isType[*tls.CertificateVerificationError](err):
		return "its certificate is not accepted: " + short(err), true
	case isType[tls.RecordHeaderError](err):
		return "it does not speak TLS", true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return short(op.Err), false
	}
	return "", false
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// short is err's text, fit for a line. It can quote what a server sent.
func short(err error) string { return clip(safe.Line(err.Error()), 240) }

// clip cuts s to at most n runes.
func clip(s string, n int) string {
	s = strings.TrimFunc(s, unicode.IsSpace)
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
