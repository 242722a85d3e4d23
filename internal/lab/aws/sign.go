package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// key is one access key: a user's, or a session's with its token.
type key struct {
	account, secret, token string
	arn, userID            string
	user, role             string    // whose policies count
	until                  time.Time // zero: for ever
	inactive               bool
	made, used             time.Time
	usedFor, usedIn        string // service, region
}

// caller is who signed a request, and for which service and region.
type caller struct {
	key
	service, region string
}

// refusal is an authentication failure: its code in the REST and in the query protocol,
// and in EC2's.
type refusal struct{ rest, query, ec2, message string }

var (
	errMissing  = &refusal{"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AuthFailure", "Missing Authentication Token"}
	errUnknown  = &refusal{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "The security token included in the request is invalid."}
	errExpired  = &refusal{"ExpiredTokenException", "ExpiredToken", "RequestExpired", "The security token included in the request is expired"}
	errMismatch = &refusal{"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "The request signature we calculated does not match the signature you provided."}
	errSkewed   = &refusal{"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "Signature expired: the request's time is too far from the server's"}
)

// maxSkew is how far a request's time may be from ours.
const maxSkew = 5 * time.Minute

// authenticate checks a Signature Version 4, as its documentation describes it. A
// refused caller has the service and the region that were meant.
func (v *Vendor) authenticate(r *http.Request, body []byte) (caller, *refusal) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return caller{}, errMissing
	}
	given := map[string]string{}
	for part := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		given[name] = value
	}
	scope := strings.Split(given["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return caller{}, errMissing
	}
	who := caller{service: scope[3], region: scope[2]}
	k, known := v.keys[scope[0]]
	if !known || v.revoked || k.inactive || k.token != r.Header.Get("X-Amz-Security-Token") {
		return who, errUnknown
	}
	if !k.until.IsZero() && v.opt.Now().After(k.until) {
		return who, errExpired
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || !strings.HasPrefix(r.Header.Get("X-Amz-Date"), scope[1]) {
		return who, errMismatch
	}
	if at.Sub(v.opt.Now()).Abs() > maxSkew {
		return who, errSkewed
	}
	canonical := canonicalRequest(r, body, given["SignedHeaders"])
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), sum(canonical)}, "\n")
	mac := []byte("AWS4" + k.secret)
	for _, part := range append(scope[1:], toSign) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(part))
		mac = h.Sum(nil)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(mac)), []byte(given["Signature"])) {
		return who, errMismatch
	}
	k.used, k.usedFor, k.usedIn = v.opt.Now(), who.service, who.region
	v.keys[scope[0]] = k
	who.key = k
	return who, nil
}

// serviceOf gives the service that a request is signed for, "" for none.
func serviceOf(r *http.Request) string {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	if parts := strings.Split(scope, "/"); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func canonicalRequest(r *http.Request, body []byte, signed string) string {
	var headers strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = escape(s) // a second time: the path on the wire is escaped once
	}
	return strings.Join([]string{r.Method, strings.Join(segments, "/"), canonicalQuery(r.URL.Query()), headers.String(), signed, sum(string(body))}, "\n")
}

func canonicalQuery(q url.Values) string {
	var parts []string
	for name, values := range q {
		for _, value := range values {
			parts = append(parts, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// escape is AWS's URI encoding: everything but unreserved characters.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}
