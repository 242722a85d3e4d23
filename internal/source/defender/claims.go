package defender

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// claims is what an access token says about its holder. It is shown and compared
// with what a call needs; nothing rests on it, so the signature is not checked.
type claims struct {
	Tenant text       `json:"tid"`
	App    text       `json:"appid"`
	Name   text       `json:"app_displayname"`
	Roles  list[text] `json:"roles"`
	known  bool       // the token could be read
}

// readClaims reads a JWT. Anything else gives claims that are not known.
func readClaims(token string) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	var c claims
	c.known = json.Unmarshal(payload, &c) == nil && (c.App != "" || c.Tenant != "")
	return c
}

// allows reports whether one of the roles of p was granted, or whether that cannot
// be told.
func (c claims) allows(p permission) bool {
	return !c.known || len(p) == 0 || slices.ContainsFunc(p, func(role string) bool { return slices.Contains(c.Roles, text(role)) })
}

// identity names the application.
func (c claims) identity() string {
	switch {
	case c.Name != "" && c.App != "":
		return string(c.Name) + " (" + string(c.App) + ")"
	case c.Name != "":
		return string(c.Name)
	}
	return string(c.App)
}
