package aws

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"edrc/internal/respond"
	"edrc/internal/safe"
)

// trustBlast adds whoever the trust policy of a role lets in, in words, and gives those
// that are no EC2 instances.
func (s *session) trustBlast(doc string, p *respond.Plan) []string {
	var others, unlisted []string
	all := principals(doc)
	for _, who := range all {
		words := who.words(s.account)
		p.Blast = append(p.Blast, respond.Fact{What: "may be used by", Value: words})
		if !who.ec2() {
			others = append(others, words)
		}
		if w := workloads[who.service()]; w != "" {
			unlisted = append(unlisted, w)
		}
	}
	if len(all) == 0 {
		p.Blast = append(p.Blast, respond.Fact{What: "may be used by", Value: "nobody that its trust policy names"})
	}
	if len(unlisted) > 0 {
		p.Warnings = append(p.Warnings, strings.Join(unlisted, " and ")+" may run with the role: they are not listed by name, and those that do stop working with AWS")
	}
	return others
}

// workloads are what a service runs with a role, by the service. They are many, and in
// services that edrc does not ask.
var workloads = map[string]string{
	"lambda.amazonaws.com":          "Lambda functions",
	"ecs-tasks.amazonaws.com":       "ECS tasks",
	"pods.eks.amazonaws.com":        "pods of EKS clusters",
	"codebuild.amazonaws.com":       "CodeBuild projects",
	"sagemaker.amazonaws.com":       "SageMaker jobs and notebooks",
	"glue.amazonaws.com":            "Glue jobs",
	"batch.amazonaws.com":           "Batch jobs",
	"states.amazonaws.com":          "Step Functions state machines",
	"build.apprunner.amazonaws.com": "App Runner services",
	"tasks.apprunner.amazonaws.com": "App Runner services",
}

// principal is one that a trust policy allows, and its kind: Service, AWS, Federated, or
// "" for anybody.
type principal struct{ kind, name string }

// unreadable stands for somebody who may be anybody.
const unreadable = "somebody: "

// service is the name of a service without its region or partition, "" for others.
func (p principal) service() string {
	if p.kind != "Service" {
		return ""
	}
	name, _, _ := strings.Cut(p.name, ".amazonaws.com") // also amazonaws.com.cn
	return regional().ReplaceAllString(name, "") + ".amazonaws.com"
}

// regional is the region in a service's name: ec2.eu-west-1.amazonaws.com.
var regional = safe.Pattern(`\.[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

func (p principal) ec2() bool { return p.service() == "ec2.amazonaws.com" }

// words say who a principal is, seen from an account. The name is always among them.
func (p principal) words(own string) string {
	switch {
	case strings.HasPrefix(p.name, unreadable):
		return p.name
	case p.kind == "Service" && p.ec2():
		return "EC2 instances (" + p.name + ")"
	case p.kind == "Service" && workloads[p.service()] != "":
		return workloads[p.service()] + " (" + p.name + "), not listed by name"
	case p.kind == "Service":
		return "the AWS service " + p.name
	case p.kind == "Federated":
		return federated(p.name)
	case p.name == "*":
		return "anybody in any account (*), but for the policy's conditions"
	}
	return inAccount(p.name, own)
}

// federated names an identity provider: its ARN, or a web identity's domain.
func federated(name string) string {
	_, resource, _ := strings.Cut(name, "::")
	switch {
	case strings.Contains(resource, ":saml-provider/"):
		return "people who log in by SAML (" + name + ")"
	case strings.Contains(resource, ":oidc-provider/"):
		return "workloads and people with tokens of an OIDC provider, Kubernetes pods among them (" + name + ")"
	}
	return "web identities of " + name
}

// inAccount names an account, or a role or user in one.
func inAccount(name, own string) string {
	id, who := name, "account "+name
	if parts := strings.SplitN(name, ":", 6); len(parts) == 6 {
		id, who = parts[4], name
	} else if !account().MatchString(name) {
		return name + " (deleted, or known to AWS only)" // AROA…, AIDA…
	}
	switch {
	case id == own:
		return who + " (this account)"
	case account().MatchString(id):
		return who + " (another account)"
	}
	return who
}

// trusted gives the names of the principals that a trust policy allows.
func trusted(doc string) []string {
	var out []string
	for _, p := range principals(doc) {
		out = append(out, p.name)
	}
	return out
}

// principals gives those that a trust policy allows, by their names. A policy that cannot
// be read is told as one: it may let anybody in.
func principals(doc string) []principal {
	var policy struct {
		Statement statements
	}
	if err := json.Unmarshal([]byte(doc), &policy); err != nil {
		return []principal{{"", unreadable + "its trust policy cannot be read"}}
	}
	var out []principal
	for _, s := range policy.Statement {
		if s.Effect == "Allow" {
			out = append(out, s.principals()...)
		}
	}
	slices.SortFunc(out, func(a, b principal) int { return strings.Compare(a.name+" "+a.kind, b.name+" "+b.kind) })
	return slices.Compact(out)
}

// statements are one, or a list.
type statements []statement

type statement struct {
	Effect    string
	Principal json.RawMessage
}

// UnmarshalJSON takes both forms that IAM allows.
func (s *statements) UnmarshalJSON(b []byte) error {
	var one statement
	if err := json.Unmarshal(b, &one); err == nil {
		*s = statements{one}
		return nil
	}
	return json.Unmarshal(b, (*[]statement)(s))
}

// principals are "*", or names by their kind, one or a list of each. An Allow without
// one, or with NotPrincipal, may let anybody in.
func (s statement) principals() []principal {
	cannot := []principal{{"", unreadable + "a principal cannot be read"}}
	var word string
	if json.Unmarshal(s.Principal, &word) == nil {
		return []principal{{"", word}}
	}
	var kinds map[string]json.RawMessage
	if json.Unmarshal(s.Principal, &kinds) != nil {
		return cannot
	}
	var out []principal
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		var many []string
		if json.Unmarshal(kinds[kind], &word) == nil {
			many = []string{word}
		} else if json.Unmarshal(kinds[kind], &many) != nil {
			out = append(out, cannot...)
		}
		for _, name := range many {
			out = append(out, principal{kind, name})
		}
	}
	return out
}
