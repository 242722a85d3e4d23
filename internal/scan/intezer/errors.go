package intezer

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// errorBody is what an error of the API carries (1.5); every key is optional, and
// details and message come as an object of texts or of lists, or as a text.
type errorBody struct {
	Error   text            `json:"error"`
	Details json.RawMessage `json:"details"`
	Message json.RawMessage `json:"message"`
}

// fields gives the complaints about single request fields.
func (b errorBody) fields() map[string]string {
	out := map[string]string{}
	for _, raw := range []json.RawMessage{b.Details, b.Message} {
		var complaints map[string]json.RawMessage
		if json.Unmarshal(raw, &complaints) != nil {
			continue
		}
		for field, raw := range complaints {
			var texts list[text]
			var one text
			if texts.UnmarshalJSON(raw) == nil && len(texts) > 0 {
				one = texts[0]
			} else {
				_ = one.UnmarshalJSON(raw)
			}
			out[field] = one.String()
		}
	}
	return out
}

// text joins what the server said into one line, "" when it said nothing.
func (b errorBody) text() string {
	var parts []string
	if s := b.Error.String(); s != "" {
		parts = append(parts, s)
	}
	var message text
	if _ = message.UnmarshalJSON(b.Message); message != "" {
		parts = append(parts, message.String())
	}
	var complaints []string
	for field, msg := range b.fields() {
		complaints = append(complaints, strings.TrimSuffix(field+": "+msg, ": "))
	}
	slices.Sort(complaints)
	return strings.Join(append(parts, complaints...), "; ")
}

// names reports whether the complaint is about the request field.
func (b errorBody) names(field string) bool {
	_, ok := b.fields()[field]
	return ok || strings.Contains(b.Error.String(), field)
}

// says reports whether the message holds the words, in any case.
func (b errorBody) says(words string) bool {
	return strings.Contains(strings.ToLower(b.text()), words)
}

// readError reads an error body; one that is no object is empty.
func readError(body []byte) errorBody {
	var b errorBody
	_ = decode(body, &b)
	return b
}

// said gives the server's message, fit for a line of ours: without what is not
// printable, without the key, the token and the passwords of archives, at most 300
// characters.
func (c *Client) said(body []byte) string {
	s := readError(body).text()
	if hidden := c.tokens.secrets.Load(); hidden != nil {
		for _, v := range *hidden {
			if len(v) >= 8 {
				s = strings.ReplaceAll(s, v, "***")
			}
		}
	}
	s = c.passwords.mask(s)
	const most = 300
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// failure makes an error of a status that was taken as an answer.
func (c *Client) failure(k fault.Kind, op, msg string, resp *httpx.Response) *fault.Error {
	if s := c.said(resp.Body); s != "" {
		msg += ": " + s
	}
	return &fault.Error{Kind: k, Source: name, Op: op, Msg: msg, Status: resp.Status}
}

// noPermission is the text of a 403 that means the plan, not the quota (1.5).
const noPermission = "insufficient permission"

// quotaHint says what an exhausted quota means for the user.
const quotaHint = "scans go on when the quota is reset (00:00 UTC); see what is left: edrc sources check"
