package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"edrc/internal/fault"
)

// Class says what repeating a request would do. The zero value is [Read] for GET
// and HEAD and [Once] for every other method, so that a forgotten class is safe.
type Class int

// The classes.
const (
	// Read changes nothing: a GET, or a POST that searches.
	Read Class = iota + 1
	// Idempotent changes something, and twice is the same as once.
	Idempotent
	// Once must not happen twice. It is repeated only when it was provably not
	// processed: no connection (dial, TLS), 401, 429. A timeout, a reset, a 5xx or a
	// broken reply is fault.InDoubt. It cannot be a GET: Go's transport may repeat
	// one by itself.
	Once
)

// Request is one call. JSON and Body exclude each other; either is allowed on a GET.
type Request struct {
	Op     string // for errors, a verb phrase: "list threats"
	Method string // "" is GET
	// Path is joined to Base. Ids in it are escaped by the caller (url.PathEscape).
	// An absolute URL (a next link, a presigned one) is used as it is, and carries
	// the credential only if it has Base's scheme, host and port.
	Path   string
	Query  url.Values
	Header http.Header

	JSON any // marshalled once, the same bytes in every attempt
	// Body is called for every attempt and must give the same bytes each time. One
	// that fails while it is read ends the request with that error: a request that
	// was cut off by its sender was not processed.
	Body        func() (io.ReadCloser, error)
	Size        int64  // length of Body in bytes; 0: unknown, sent in chunks
	ContentType string // of Body

	Class  Class
	Rate   string // rate class, a key of Config.Limits
	OK     []int  // statuses beyond 2xx that are answers and not errors, such as 404 or 409
	NoAuth bool   // no credential, and a 401 is final
	// Timeout is Config.Timeout for this request; 0: the same.
	Timeout time.Duration
}

// call is a Request under way, over all of its attempts.
type call struct {
	c       *Client
	r       Request
	url     *url.URL
	json    []byte
	lim     *limiter
	stream  bool          // the body is the caller's to read
	auth    bool          // a credential is sent
	renewed bool          // the one replay after a 401 is used up
	left    time.Duration // what failures may still make us wait
}

func (c *Client) newCall(r Request, stream bool) (*call, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	safeMethod := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case r.Class == 0 && safeMethod:
		r.Class = Read
	case r.Class == 0:
		r.Class = Once
	case r.Class == Once && safeMethod:
		return nil, fault.New(fault.Invalid, "a %s cannot be of class Once", r.Method)
	case r.JSON != nil && r.Body != nil:
		return nil, fault.New(fault.Invalid, "a request has two bodies")
	}
	k := &call{c: c, r: r, stream: stream, lim: c.limiter(r.Rate), left: c.cfg.MaxWait}
	var err error
	if k.url, err = c.resolve(r); err != nil {
		return nil, err
	}
	k.auth = !r.NoAuth && c.cfg.Authorize != nil && sameOrigin(c.base, k.url)
	if r.JSON != nil {
		if k.json, err = json.Marshal(r.JSON); err != nil {
			return nil, fault.New(fault.Invalid, "the request cannot be encoded: %w", err)
		}
	}
	return k, nil
}

// header gives the headers of one attempt, with the values that are credentials.
func (k *call) header(ctx context.Context) (h http.Header, credentials []string, err error) {
	h = k.r.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	accept := "application/json"
	if k.stream {
		accept = "*/*"
	}
	for name, value := range map[string]string{
		"Accept": accept, "User-Agent": k.c.cfg.UserAgent, "Content-Type": k.contentType(),
	} {
		if h.Get(name) == "" && value != "" {
			h.Set(name, value)
		}
	}
	if !k.auth {
		return h, nil, nil
	}
	before := h.Clone()
	if err := k.c.cfg.Authorize(ctx, h); err != nil {
		return nil, nil, err
	}
	for name, values := range h {
		if !slices.Equal(values, before[name]) {
			credentials = append(credentials, values...)
		}
	}
	return h, credentials, nil
}

// timeout is how long one attempt may take, or be silent.
func (k *call) timeout() time.Duration {
	if k.r.Timeout > 0 {
		return k.r.Timeout
	}
	return k.c.cfg.Timeout
}

func (k *call) contentType() string {
	if k.json != nil {
		return "application/json"
	}
	return k.r.ContentType
}

// newRequest makes the request of one hop. A body that cannot be opened is a
// *refusal: nothing was sent.
func (k *call) newRequest(ctx context.Context, u *url.URL, h http.Header, withBody bool) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.r.Method, u.String(), nil)
	if err != nil {
		return nil, &refusal{fault.New(fault.Invalid, "the request cannot be made")}
	}
	req.Header = h
	if !withBody {
		return req, nil
	}
	switch {
	case k.json != nil:
		req.ContentLength = int64(len(k.json))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(k.json)), nil }
	case k.r.Body != nil:
		req.ContentLength = -1
		if k.r.Size > 0 {
			req.ContentLength = k.r.Size
		}
		req.GetBody = k.r.Body
	default:
		return req, nil
	}
	if req.Body, err = req.GetBody(); err != nil {
		return nil, &refusal{fault.New(fault.KindOf(err), "the body cannot be opened: %w", err)}
	}
	return req, nil
}
