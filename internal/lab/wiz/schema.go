package wiz

import (
	"strings"
)

// fieldType is a field of the schema: its type ("" is a scalar), and its arguments with theirs.
type fieldType struct {
	of   string
	args map[string]string
}

// types reads the schema below: a line a type, "field", "field:Type" or
// "field(argument=Type,…):Type"; a union has the types that it may be.
func types() map[string]map[string]fieldType {
	out := map[string]map[string]fieldType{}
	for line := range strings.Lines(schema) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		fields := out[name]
		if fields == nil {
			fields = map[string]fieldType{}
			out[name] = fields
		}
		for f := range strings.FieldsSeq(rest) {
			f, of, _ := strings.Cut(f, ":")
			f, args, _ := strings.Cut(strings.TrimSuffix(f, ")"), "(")
			t := fieldType{of: of, args: map[string]string{}}
			for arg := range strings.SplitSeq(args, ",") {
				if arg, of, ok := strings.Cut(arg, "="); ok {
					t.args[arg] = of
				}
			}
			fields[f] = t
		}
	}
	return out
}

const schema = `
Query issuesV2(filterBy=IssueFilters,filterScope=IssueFiltersScope,first=Int,after=String,orderBy=IssueOrder):IssueConnection
Query issue(id=ID):Issue
Query detections(filterBy=DetectionFilters,first=Int,after=String,orderBy=DetectionOrder,enforceTimestampContinuity=Boolean):DetectionConnection
Mutation createIssueNote(input=CreateIssueNoteInput):CreateIssueNotePayload
Mutation deleteIssueNote(input=DeleteIssueNoteInput):DeleteIssueNotePayload
Mutation updateIssue(input=UpdateIssueInput):UpdateIssuePayload
IssueConnection nodes:Issue pageInfo:PageInfo totalCount
DetectionConnection nodes:Detection pageInfo:PageInfo totalCount
PageInfo hasNextPage endCursor
CreateIssueNotePayload issueNote:IssueNote
DeleteIssueNotePayload _stub
UpdateIssuePayload issue:Issue
Issue id type status severity createdAt updatedAt dueAt resolvedAt statusChangedAt resolutionReason resolutionNote url description
Issue sourceRule:IssueSourceRule sourceRules:IssueSourceRule entitySnapshot:IssueEntitySnapshot projects:Project serviceTickets:ServiceTicket notes:IssueNote
Issue threatDetectionDetails:ThreatDetectionIssueDetails evidenceQuery
IssueSourceRule id name description |Control |CloudEventRule |CloudConfigurationRule
Control id name description resolutionRecommendation
CloudEventRule id name description sourceType type
CloudConfigurationRule id name description remediationInstructions serviceType
IssueEntitySnapshot id type nativeType name status cloudPlatform cloudProviderURL providerId region resourceGroupExternalId subscriptionExternalId subscriptionName subscriptionTags tags externalId
Project id name slug businessUnit riskProfile:RiskProfile
RiskProfile businessImpact
ServiceTicket id externalId name url
IssueNote id createdAt updatedAt text user:User serviceAccount:ServiceAccount
User id name email
ServiceAccount id name email
ThreatDetectionIssueDetails mainDetection:Detection actors:Entity resources:Entity detections(first=Int):DetectionConnection
Detection id type severity description(format=DescriptionFormat) createdAt updatedAt startedAt endedAt origins issue:Issue ruleMatch:RuleMatch
Detection cloudAccounts:CloudAccount cloudOrganizations:CloudAccount actors:Entity primaryActor:Actor resources:Entity primaryResource:PrimaryResource
Detection triggeringEvents(first=Int):EventConnection
RuleMatch rule:DetectionRule
DetectionRule id name builtin sourceType origins securitySubCategories:SecuritySubCategory
SecuritySubCategory id title category:SecurityCategory
SecurityCategory id name framework:SecurityFramework
SecurityFramework id name
CloudAccount id name externalId cloudProvider
Entity id name externalId providerUniqueId type nativeType region cloudAccount:CloudAccount kubernetesCluster:Named kubernetesNamespace:Named
Named id name
Actor id name type email userAgent accessKeyId externalId MFA federated hasAdminPrivileges hasHighPrivileges
PrimaryResource id type name externalId region
EventConnection nodes:CloudEventUnion totalCountV2
CloudEventUnion |CloudEvent
CloudEvent id origin name description cloudProviderUrl cloudPlatform timestamp source category status actorIP commandLine rawAuditLogRecord
CloudEvent actorIPMeta:ActorIPMeta runtimeProgram:Program parentRuntimeProgram:Program extraDetails:EventDetails trigger:EventTrigger
ActorIPMeta country autonomousSystemOrganization reputation relatedAttackGroupNames
Program name
EventDetails |CloudEventRuntimeDetails
CloudEventRuntimeDetails processTree:Process
Process command path hash size executionTime userId userName container:Container
Container id externalId name image:Image
Image id externalId
EventTrigger |CloudEventSensorRulesMatch
CloudEventSensorRulesMatch fileReputationHashMatch:FileReputation sensorEngineRules:SensorMatch
FileReputation name md5 sha1 sha256 malwareClassification:Malware
Malware type family
SensorMatch rule:SensorRule
SensorRule id name MITRETactics MITRETechniques
`

// inputs are the keys that an input may have.
func inputs() map[string]string {
	return map[string]string{
		"DetectionFilters": "id issueId type cloudPlatform origin severity cloudAccountOrCloudOrganizationId resource matchedRule matchedRuleName projectId createdAt updatedAt",
		"IssueFilters": "id type status severity createdAt statusChangedAt resolvedAt dueAt resolutionReason relatedEntity project search sourceControl hasNote hasServiceTicket " +
			"eventOrigin cloudAccountOrCloudOrganizationId threatResource",
		"DetectionOrder": "field direction", "IssueOrder": "field direction",
		"CreateIssueNoteInput": "issueId text", "DeleteIssueNoteInput": "id", "UpdateIssueInput": "id patch override",
		"UpdateIssuePatch": "status resolutionReason resolutionNote note dueAt",
	}
}

// checkInput refuses keys that an input has not.
func checkInput(of string, v any) error {
	keys, known := inputs()[of]
	object, ok := v.(map[string]any)
	if v == nil || !known {
		return nil
	}
	if !ok {
		return badInput("Expected type %q to be an object.", of)
	}
	for key := range object {
		if !strings.Contains(" "+keys+" ", " "+key+" ") {
			return badInput("Field %q is not defined by type %q.", key, of)
		}
	}
	return nil
}

// validate holds a selection to the schema, before anything is done.
func (v *Vendor) validate(d document, of string, fields []selection) error {
	for _, s := range fields {
		if s.on != "" {
			if _, may := v.types[of]["|"+s.on]; !may {
				return invalid("Fragment cannot be spread here as objects of type %q can never be of type %q.", of, s.on)
			}
			if err := v.validate(d, s.on, s.inner); err != nil {
				return err
			}
			continue
		}
		if s.name == "__typename" {
			continue
		}
		f, known := v.types[of][s.name]
		if !known || v.retired[s.name] {
			return invalid("Cannot query field %q on type %q.", s.name, of)
		}
		if (f.of == "") != (len(s.inner) == 0) {
			return invalid("Field %q of type %q must have, or must not have, a selection of subfields.", s.name, of)
		}
		if err := checkArguments(d, f, s); err != nil {
			return err
		}
		if err := v.validate(d, f.of, s.inner); err != nil {
			return err
		}
	}
	return nil
}

func checkArguments(d document, f fieldType, s selection) error {
	for name, value := range s.args {
		want, known := f.args[name]
		if !known {
			return invalid("Unknown argument %q on field %q.", name, s.name)
		}
		if variable, ok := s.uses[name]; ok && d.variables[variable] != want {
			return invalid("Variable \"$%s\" of type %q used in position expecting type %q.", variable, d.variables[variable], want)
		}
		if err := checkInput(want, value); err != nil {
			return err
		}
	}
	return nil
}

// object is one of the schema's, with all of its fields; one with arguments is a resolver.
type object map[string]any

type resolver func(args map[string]any) (any, error)

// project gives of a value what is selected.
func project(v any, fields []selection) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []object:
		out := make([]any, len(v))
		for i, o := range v {
			one, err := project(o, fields)
			if err != nil {
				return nil, err
			}
			out[i] = one
		}
		return out, nil
	case object:
		if v == nil {
			return nil, nil
		}
		out := map[string]any{}
		return out, projectInto(out, v, fields)
	}
	return v, nil
}

func projectInto(out map[string]any, o object, fields []selection) error {
	for _, s := range fields {
		if s.on != "" {
			if o["__typename"] == s.on {
				if err := projectInto(out, o, s.inner); err != nil {
					return err
				}
			}
			continue
		}
		value := o[s.name]
		if r, ok := value.(resolver); ok {
			var err error
			if value, err = r(s.args); err != nil {
				return err
			}
		}
		if s.inner != nil {
			var err error
			if value, err = project(value, s.inner); err != nil {
				return err
			}
		}
		out[s.alias] = value
	}
	return nil
}
