package aws

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const stsSpace = "https://sts.amazonaws.com/doc/2011-06-15/"

type identityReply struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	Space   string   `xml:"xmlns,attr"`
	Arn     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
	Request string   `xml:"ResponseMetadata>RequestId"`
}

type assumeReply struct {
	XMLName    xml.Name `xml:"AssumeRoleResponse"`
	Space      string   `xml:"xmlns,attr"`
	KeyID      string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret     string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token      string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	RoleID     string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	Arn        string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	Source     string   `xml:"AssumeRoleResult>SourceIdentity,omitempty"`
	Request    string   `xml:"ResponseMetadata>RequestId"`
}

// sts answers the query API.
func (v *Vendor) sts(w http.ResponseWriter, r *http.Request, body []byte, who caller) {
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" || who.service != "sts" {
		v.refuseXML(w, http.StatusBadRequest, "InvalidAction", "Could not find operation for service "+who.service)
		return
	}
	v.requests["sts:"+form.Get("Action")]++
	switch form.Get("Action") {
	case "GetCallerIdentity":
		writeXML(w, http.StatusOK, identityReply{Space: stsSpace, Arn: who.arn, UserID: who.userID, Account: who.account, Request: w.Header().Get("X-Amzn-Requestid")})
	case "AssumeRole":
		v.assumeRole(w, form, who)
	default:
		v.refuseXML(w, http.StatusBadRequest, "InvalidAction", "The action "+form.Get("Action")+" is not valid for this web service.")
	}
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func (v *Vendor) assumeRole(w http.ResponseWriter, form url.Values, who caller) {
	arn, name, source := form.Get("RoleArn"), form.Get("RoleSessionName"), form.Get("SourceIdentity")
	seconds, err := strconv.Atoi(form.Get("DurationSeconds"))
	if form.Get("DurationSeconds") == "" {
		seconds, err = 3600, nil
	}
	switch {
	case !sessionName.MatchString(name), source != "" && !sessionName.MatchString(source):
		v.refuseXML(w, http.StatusBadRequest, "ValidationError", "Value at 'roleSessionName' or 'sourceIdentity' failed to satisfy constraint: [\\w+=,.@-]{2,64}")
		return
	case err != nil || seconds < 900 || seconds > 43200:
		v.refuseXML(w, http.StatusBadRequest, "ValidationError", "Value at 'durationSeconds' failed to satisfy constraint: 900 to 43200")
		return
	case who.token != "" && seconds > 3600:
		v.refuseXML(w, http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
		return
	}
	i := slices.IndexFunc(v.own.Accounts, func(a string) bool { return arn == roleARN(a) })
	if i < 0 || form.Get("ExternalId") != ExternalID(v.own.Accounts[i]) {
		v.refuseXML(w, http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.arn, arn))
		return
	}
	account := v.own.Accounts[i]
	v.sessions = append(v.sessions, Session{account, arn, name, source})
	n := strconv.Itoa(len(v.sessions))
	id := strings.ToUpper("ASIA" + digest(v.secret, account, n)[:16])
	k := key{account: account, secret: digest(v.secret, id)[:40], token: "lab+token/" + digest(id, v.secret) + "==",
		arn: "arn:aws:sts::" + account + ":assumed-role/" + Role + "/" + name, userID: "AROALAB" + account[:9] + ":" + name,
		until: v.opt.Now().Add(time.Duration(seconds) * time.Second)}
	v.keys[id] = k
	writeXML(w, http.StatusOK, assumeReply{Space: stsSpace, KeyID: id, Secret: k.secret, Token: k.token, Expiration: k.until.UTC().Format(time.RFC3339),
		RoleID: k.userID, Arn: k.arn, Source: source, Request: w.Header().Get("X-Amzn-Requestid")})
}

type errorReply struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Space   string   `xml:"xmlns,attr"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	Request string   `xml:"RequestId"`
}

func (v *Vendor) refuseXML(w http.ResponseWriter, status int, code, message string) {
	writeXML(w, status, errorReply{Space: stsSpace, Type: "Sender", Code: code, Message: message, Request: w.Header().Get("X-Amzn-Requestid")})
}

func writeXML(w http.ResponseWriter, status int, reply any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(reply)
}
