package aws

import (
	"encoding/json"
	"slices"
	"strings"
)

// policy is a document of IAM.
type policy struct {
	Statement statements
}

// statements are one, or a list.
type statements []statement

type statement struct {
	Effect                                   string
	Action, NotAction, Resource, NotResource words
	Principal                                principals
	Condition                                map[string]map[string]words
}

// words are one, or a list.
type words []string

// principals are "*", or names by their kind.
type principals map[string]words

func (s *statements) UnmarshalJSON(b []byte) error {
	var one statement
	if err := json.Unmarshal(b, &one); err == nil {
		*s = statements{one}
		return nil
	}
	return json.Unmarshal(b, (*[]statement)(s))
}

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

func (p *principals) UnmarshalJSON(b []byte) error {
	var all string
	if err := json.Unmarshal(b, &all); err == nil {
		*p = principals{"AWS": {all}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]words)(p))
}

// readPolicy gives a document, or that it is none.
func readPolicy(text string) (policy, bool) {
	var p policy
	if json.Unmarshal([]byte(text), &p) != nil || len(p.Statement) == 0 {
		return p, false
	}
	return p, !slices.ContainsFunc(p.Statement, func(s statement) bool { return s.Effect != "Allow" && s.Effect != "Deny" })
}

// What IAM decides.
const (
	allowed  = "allowed"
	implicit = "implicitDeny"
	explicit = "explicitDeny"
)

// question is what is asked of policies. value gives what the context has for a
// condition's key, nil when it has none.
type question struct {
	action, resource string
	value            func(key string) []string
}

// decide weighs documents: a Deny is above every Allow, and nothing is allowed by itself.
func decide(documents []string, q question) string {
	out := implicit
	for _, d := range documents {
		p, _ := readPolicy(d)
		for _, s := range p.Statement {
			switch {
			case !s.about(q):
			case s.Effect == "Deny":
				return explicit
			default:
				out = allowed
			}
		}
	}
	return out
}

// about reports whether a statement of an identity's policy is about the question.
func (s statement) about(q question) bool {
	fold := func(pattern string) bool { return glob(strings.ToLower(pattern), strings.ToLower(q.action)) }
	exact := func(pattern string) bool { return glob(pattern, q.resource) }
	actions := slices.ContainsFunc(s.Action, fold) || s.NotAction != nil && !slices.ContainsFunc(s.NotAction, fold)
	resources := slices.ContainsFunc(s.Resource, exact) || s.NotResource != nil && !slices.ContainsFunc(s.NotResource, exact)
	return actions && resources && s.met(q)
}

// met reports whether every condition holds. One that the lab does not know makes a
// Deny hold and an Allow not.
func (s statement) met(q question) bool {
	for operator, keys := range s.Condition {
		for key, want := range keys {
			holds, known := compare(operator, want, q.value(key))
			if !known {
				holds = s.Effect == "Deny"
			}
			if !holds {
				return false
			}
		}
	}
	return true
}

// compare evaluates one condition. A key that the context does not have fits the
// negated operators, and ForAllValues.
func compare(operator string, want words, have []string) (holds, known bool) {
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	operator, all := strings.CutPrefix(operator, "ForAllValues:")
	operator = strings.TrimPrefix(operator, "ForAnyValue:")
	match := glob
	negated := strings.HasPrefix(operator, "StringNot")
	switch operator {
	case "StringLike", "StringNotLike", "ArnLike", "ArnEquals":
	case "StringEquals", "StringNotEquals":
		match = func(pattern, s string) bool { return pattern == s }
	default:
		return false, false
	}
	if len(have) == 0 {
		return ifExists || all || negated, true
	}
	fits := func(s string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return match(w, s) }) != negated
	}
	if all || negated {
		return !slices.ContainsFunc(have, func(s string) bool { return !fits(s) }), true
	}
	return slices.ContainsFunc(have, fits), true
}

// trusts reports whether a trust policy lets a caller in.
func (p policy) trusts(arns []string, q question) bool {
	out := false
	for _, s := range p.Statement {
		s.Resource = words{"*"}
		named := slices.ContainsFunc(s.Principal["AWS"], func(w string) bool { return w == "*" || slices.Contains(arns, w) })
		switch {
		case !named || !s.about(q):
		case s.Effect == "Deny":
			return false
		default:
			out = true
		}
	}
	return out
}

// glob matches with * for any text and ? for one character.
func glob(pattern, s string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*':
			rest := pattern[i+1:]
			for j := 0; j <= len(s); j++ {
				if glob(rest, s[j:]) {
					return true
				}
			}
			return false
		case s == "" || pattern[i] != '?' && pattern[i] != s[0]:
			return false
		}
		s = s[1:]
	}
	return s == ""
}
