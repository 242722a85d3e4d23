package wiz

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// detection is the part of a detection that edrc reads. Any field may be null, and the id
// of an actor may be "".
type detection struct {
	ID          text       `json:"id"`
	Type        text       `json:"type"` // GENERATED_THREAT or MATCH_ONLY
	Severity    text       `json:"severity"`
	Description text       `json:"description"`
	Created     stamp      `json:"createdAt"`
	Updated     stamp      `json:"updatedAt"`
	Started     stamp      `json:"startedAt"`
	Origins     list[text] `json:"origins"`
	Issue       struct {
		ID     text            `json:"id"`
		URL    text            `json:"url"`
		Status text            `json:"status"`
		Reason text            `json:"resolutionReason"`
		Notes  json.RawMessage `json:"notes"`
	} `json:"issue"`
	Match struct {
		Rule rule `json:"rule"`
	} `json:"ruleMatch"`
	Accounts     list[account]  `json:"cloudAccounts"`
	Actors       list[actor]    `json:"actors"`
	PrimaryActor actor          `json:"primaryActor"`
	Resources    list[resource] `json:"resources"`
	Primary      resource       `json:"primaryResource"`
	Events       struct {
		Nodes list[event] `json:"nodes"`
	} `json:"triggeringEvents"`
	First struct {
		Nodes list[event] `json:"nodes"`
	} `json:"firstEvent"`
}

// rule is what a detection matched, or an issue was raised by.
type rule struct {
	Name       text              `json:"name"`
	Categories list[subCategory] `json:"securitySubCategories"`
}

// subCategory is an entry of a framework such as MITRE ATT&CK: "T1190 Exploit
// Public-Facing Application" of the category "TA0001 Initial Access".
type subCategory struct {
	Title    text `json:"title"`
	Category struct {
		Name      text `json:"name"`
		Framework struct {
			Name text `json:"name"`
		} `json:"framework"`
	} `json:"category"`
}

type account struct {
	External text `json:"externalId"` // the cloud's own id, which may be a number
	Provider text `json:"cloudProvider"`
}

type actor struct {
	Name  text `json:"name"`
	Email text `json:"email"`
}

// resource is what an alert is about: primaryResource has no account and no ARN, which
// stand in its namesake among the resources.
type resource struct {
	ID       text    `json:"id"`
	Name     text    `json:"name"`
	External text    `json:"externalId"` // of a virtual machine the instance id
	Unique   text    `json:"providerUniqueId"`
	Type     text    `json:"type"`
	Region   text    `json:"region"`
	Account  account `json:"cloudAccount"`
}

// decode maps one detection, or says why it cannot be used.
func (c *Client) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	var d detection
	if !lenient.Decode(raw, &d) || d.ID == "" {
		return alert.Alert{}, bad(raw, "it is no detection, or has no id")
	}
	return c.alert(d, raw), nil
}

func (c *Client) alert(d detection, raw json.RawMessage) alert.Alert {
	id, issue := string(d.ID), string(d.Issue.ID)
	tree := d.processes()
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: issue, Group: issue, Locator: d.locator()}, Ref: alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title:    lenient.FirstText(d.Match.Rule.Name, text(firstLine(string(d.Description))), d.ID),
		Severity: severityOf(d.Severity), Status: statusOf(d.Issue.Status), Analyst: analystVerdict(d.Issue.Status, d.Issue.Reason),
		// Created is never zero when any time is known: a query by time would lose it.
		Created: lenient.First(d.Created, d.Started, d.Updated), Updated: d.Updated.Time, Detected: d.Started.Time,
		Host: d.host(), User: d.user(tree), Command: d.command(tree), Files: d.files(tree), Attack: d.attack(),
		URL: c.link(d), Notes: d.notes(), Repeats: d.repeats(), Raw: raw,
	}
	return a
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// resource is the one that the detection is about, with what its namesake knows more.
func (d detection) resource() resource {
	main := d.Primary
	for _, r := range d.Resources {
		if main == (resource{}) || r.ID != "" && r.ID == main.ID {
			main = resource{
				ID: pick(main.ID, r.ID), Name: pick(main.Name, r.Name), External: pick(main.External, r.External), Unique: pick(main.Unique, r.Unique),
				Type: pick(main.Type, r.Type), Region: pick(main.Region, r.Region), Account: r.Account,
			}
			break
		}
	}
	if main.Account.External == "" && len(d.Accounts) > 0 {
		main.Account = d.Accounts[0]
	}
	return main
}

func pick(ts ...text) text { return text(lenient.FirstText(ts...)) }

// host is the resource: a machine, a container, a bucket. Its id is the cloud's own, so
// that an EC2 instance is called as GuardDuty calls it.
func (d detection) host() alert.Host {
	r := d.resource()
	return alert.Host{ID: lenient.FirstText(r.External, r.ID), Name: lenient.FirstText(r.Name, r.External, r.ID)}
}

func (d detection) user(tree []process) string {
	var of, others text
	for _, p := range tree {
		of = pick(of, p.UserName)
	}
	for _, a := range d.Actors {
		others = pick(others, a.Name)
	}
	return lenient.FirstText(d.PrimaryActor.Name, d.PrimaryActor.Email, of, others)
}

func (d detection) command(tree []process) string {
	for _, e := range d.Events.Nodes {
		if e.Command != "" {
			return string(e.Command)
		}
	}
	for _, p := range tree {
		if p.Command != "" {
			return string(p.Command)
		}
	}
	return ""
}

// notes tells whether the threat has notes; a detection without one says nothing.
func (d detection) notes() alert.Has {
	var all []json.RawMessage
	switch {
	case json.Unmarshal(d.Issue.Notes, &all) != nil || all == nil:
		return alert.Unsaid
	case len(all) > 0:
		return alert.Some
	}
	return alert.None
}

var techniqueID = safe.Pattern(`\bT\d{4}(\.\d{3})?\b`)

// attack gives the techniques of MITRE: those of the rule, and those of the sensor's.
func (d detection) attack() []alert.Technique {
	out := d.Match.Rule.attack()
	for _, e := range d.Events.Nodes {
		for _, m := range e.Triggers {
			for _, s := range m.Rules {
				for _, id := range s.Rule.Techniques {
					out = addTechnique(out, alert.Technique{ID: techniqueID().FindString(string(id))})
				}
			}
		}
	}
	return out
}

// attack gives the techniques that a rule names. A title without an id is no technique
// that could be looked up, and is left to the raw alert; so are other frameworks.
func (r rule) attack() []alert.Technique {
	var out []alert.Technique
	for _, s := range r.Categories {
		title := string(s.Title)
		id := techniqueID().FindString(title)
		name := strings.Trim(strings.Replace(title, id, "", 1), " -:")
		out = addTechnique(out, alert.Technique{ID: id, Name: name, Tactic: tacticName(string(s.Category.Name))})
	}
	return out
}

func addTechnique(to []alert.Technique, t alert.Technique) []alert.Technique {
	if t.ID == "" || slices.ContainsFunc(to, func(o alert.Technique) bool { return o.ID == t.ID && (t.Tactic == "" || o.Tactic == t.Tactic) }) {
		return to
	}
	return append(to, t)
}

// tacticName takes the id off "TA0001 Initial Access".
func tacticName(s string) string {
	if id, name, ok := strings.Cut(s, " "); ok && strings.HasPrefix(id, "TA") {
		return name
	}
	return s
}

// link is the console's page of the threat: the one that it names, else one made of its
// id. A link to anywhere but the vendor is not shown. Detections have no page that is
// documented.
func (c *Client) link(d detection) string { return c.issueLink(d.Issue.URL, d.Issue.ID) }

func (c *Client) issueLink(named, id text) string {
	if u, err := url.Parse(string(named)); err == nil && u.Scheme == "https" && u.User == nil {
		host := strings.ToLower(u.Host)
		if strings.HasSuffix(host, ".wiz.io") || strings.HasSuffix(host, ".wiz.us") {
			return u.String()
		}
	}
	if c.console == "" || !isID(string(id)) {
		return ""
	}
	return c.console + "/issues#~(issue~'" + string(id) + ")"
}
