package aws

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// service is one API of the query protocol.
type service struct {
	space   string // of its XML
	actions map[string]action
}

// action answers one call. It first finds out whether the call can be done; what it
// gives then does it and renders the answer, and is not called for a dry run.
type action func(*call) (do, *apiError)

type do func() []element

// services are the APIs by their names, which are those of their scope and of IAM.
func services() map[string]service {
	return map[string]service{
		"ec2":                  {"http://ec2.amazonaws.com/doc/2016-11-15/", ec2Actions()},
		"iam":                  {"https://iam.amazonaws.com/doc/2010-05-08/", iamActions()},
		"sts":                  {"https://sts.amazonaws.com/doc/2011-06-15/", stsActions()},
		"autoscaling":          {"http://autoscaling.amazonaws.com/doc/2011-01-01/", scalingActions()},
		"elasticloadbalancing": {"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", balancingActions()},
	}
}

// call is one request of the query protocol.
type call struct {
	*Vendor
	caller
	form   url.Values
	action string
}

// owner is the caller's account.
func (c *call) owner() *account { return c.accountOf(c.account) }

// here is the region that was asked, in the caller's account.
func (c *call) here() *region { return c.regionOf(place{c.account, c.region}) }

func (c *call) get(name string) string { return c.form.Get(name) }

// number reads an integer, or gives def where there is none.
func (c *call) number(name string, def int) (int, *apiError) {
	text := c.get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, invalid("Value (%s) for parameter %s is invalid.", text, name)
	}
	return n, nil
}

// list gives the values of name.1, name.2 and so on.
func (c *call) list(name string) []string {
	var out []string
	for i := range c.count(name) {
		out = append(out, c.get(indexed(name, i)))
	}
	return out
}

// count says how many name.1, name.2.Part and so on there are.
func (c *call) count(name string) int {
	most := 0
	for k := range c.form {
		if rest, ok := strings.CutPrefix(k, name+"."); ok {
			number, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(number); err == nil && n <= 1000 {
				most = max(most, n)
			}
		}
	}
	return most
}

// refused is a request that fails for what it says.
func refused(code, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *apiError {
	return refused("InvalidParameterValue", format, args...)
}

// reply answers a call that changes nothing.
func reply(content ...element) (do, *apiError) {
	return func() []element { return content }, nil
}

// done is the answer of EC2 to a call that has nothing to tell.
func done() []element { return []element{el("return", true)} }

// query answers the query protocol.
func (v *Vendor) query(w http.ResponseWriter, r *http.Request, body []byte, who caller) {
	form, err := url.ParseQuery(string(body))
	c := &call{Vendor: v, caller: who, form: form, action: form.Get("Action")}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" {
		v.refuse(w, who.service, refused("MalformedQueryString", "The query string contains a syntax error"))
		return
	}
	v.requests[who.service+":"+c.action]++
	content, failed := c.run()
	if failed != nil {
		v.refuse(w, who.service, failed)
		return
	}
	id, space := w.Header().Get("X-Amzn-Requestid"), v.services[who.service].space
	if who.service == "ec2" {
		writeXML(w, http.StatusOK, space, el(c.action+"Response", el("requestId", id), content))
		return
	}
	writeXML(w, http.StatusOK, space, el(c.action+"Response", el(c.action+"Result", content), el("ResponseMetadata", el("RequestId", id))))
}

func (c *call) run() ([]element, *apiError) {
	act := c.services[c.service].actions[c.action]
	if act == nil {
		return nil, refused("InvalidAction", "The action %s is not valid for this web service.", c.action)
	}
	if t := c.troubles[place{c.account, c.region}]; t.throttled {
		return nil, throttled(c.service)
	} else if t.denied == c.service+":"+c.action {
		return nil, c.denial(c.service+":"+c.action, "*", "")
	}
	if failed := c.authorize(); failed != nil {
		return nil, failed
	}
	change, failed := act(c)
	switch {
	case failed != nil:
		return nil, failed
	case c.service == "ec2" && c.get("DryRun") == "true":
		return nil, &apiError{http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."}
	}
	return change(), nil
}

func throttled(service string) *apiError {
	if service == "ec2" {
		return &apiError{http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded."}
	}
	return refused("Throttling", "Rate exceeded")
}

// refuse sends an error in the form of the service.
func (v *Vendor) refuse(w http.ResponseWriter, service string, e *apiError) {
	id := w.Header().Get("X-Amzn-Requestid")
	if service == "ec2" {
		writeXML(w, e.status, "", el("Response", el("Errors", el("Error", el("Code", e.code), el("Message", e.message))), el("RequestID", id)))
		return
	}
	kind := "Sender"
	if e.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	writeXML(w, e.status, v.services[service].space,
		el("ErrorResponse", el("Error", el("Type", kind), el("Code", e.code), el("Message", e.message)), el("RequestId", id)))
}

// writes says whether a query changes something. It leaves the body as it was.
func writes(r *http.Request) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, bad := url.ParseQuery(string(body))
	if err != nil || bad != nil || form.Get("DryRun") == "true" {
		return false
	}
	for _, p := range []string{"", "Describe", "Get", "List", "Simulate", "AssumeRole"} {
		if form.Get("Action") == p || p != "" && strings.HasPrefix(form.Get("Action"), p) {
			return false
		}
	}
	return true
}

// pageOf cuts a list. Tokens are places in it, marked so that a client does not guess them.
func pageOf[T any](list []T, size int, token string) (page []T, next string, failed *apiError) {
	start := 0
	if token != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(token, "lab+page/"))
		if err != nil || n < 0 || n > len(list) || !strings.HasPrefix(token, "lab+page/") {
			return nil, "", invalid("The token '%s' is invalid", token)
		}
		start = n
	}
	end := len(list)
	if size > 0 && start+size < end {
		end = start + size
		next = fmt.Sprint("lab+page/", end)
	}
	return list[start:end], next, nil
}
