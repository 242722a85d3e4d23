package wiz

import (
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
)

// What is asked of the API. An operation has one field at the top, whose alias is the
// name that run is given.

// detectionFields are what is read of a detection. Fifty events are what the vendor's own
// clients ask for at most. Only the first brings its raw record, which is large: it has
// the id that another product gave to what it found.
const detectionFields = `
      id type severity description(format: MARKDOWN) createdAt updatedAt startedAt endedAt origins
      issue { id url status dueAt resolutionReason projects { id name } notes { id } }
      ruleMatch { rule { id name builtin sourceType securitySubCategories { id title category { id name framework { id name } } } } }
      cloudAccounts { id name externalId cloudProvider }
      cloudOrganizations { id name externalId cloudProvider }
      actors { id name externalId providerUniqueId type nativeType }
      primaryActor { id name type email userAgent accessKeyId externalId }
      resources {
        id name externalId providerUniqueId type nativeType region
        cloudAccount { externalId name cloudProvider } kubernetesCluster { id name } kubernetesNamespace { id name }
      }
      primaryResource { id type name externalId region }
      triggeringEvents(first: 50) { totalCountV2 nodes { ... on CloudEvent {
        id origin name description cloudProviderUrl cloudPlatform timestamp source category status actorIP commandLine
        actorIPMeta { country autonomousSystemOrganization reputation relatedAttackGroupNames }
        runtimeProgram { name } parentRuntimeProgram { name }
        extraDetails { ... on CloudEventRuntimeDetails { processTree {
          command path hash size executionTime userId userName container { id externalId name image { id externalId } }
        } } }
        trigger { ... on CloudEventSensorRulesMatch {
          fileReputationHashMatch { name md5 sha1 sha256 malwareClassification { type family } }
          sensorEngineRules { rule { id name MITRETactics MITRETechniques } }
        } }
      } } }
      firstEvent: triggeringEvents(first: 1) { nodes { ... on CloudEvent { id origin cloudProviderUrl rawAuditLogRecord } } }
`

const detectionsHead = `query Detections($filterBy: DetectionFilters, $first: Int, $after: String, $orderBy: DetectionOrder) {
  detections(filterBy: $filterBy, first: $first, after: $after, orderBy: $orderBy`

const pageInfo = ` pageInfo { hasNextPage endCursor } `

// enforceTimestampContinuity keeps a page from passing over detections that are not
// indexed yet: it is for the feed, which goes up in time.
const (
	detectionsDocument = detectionsHead + `) { nodes {` + detectionFields + `    }` + pageInfo + `} }`
	feedDocument       = detectionsHead + `, enforceTimestampContinuity: true) { nodes {` + detectionFields + `    }` + pageInfo + `} }`
	idsDocument        = detectionsHead + `) { nodes { id type issue { id } }` + pageInfo + `} }`
)

const issuesHead = `query IssuesTable($filterBy: IssueFilters, $filterScope: IssueFiltersScope, $first: Int, $after: String, $orderBy: IssueOrder) {
  issues: issuesV2(filterBy: $filterBy, filterScope: $filterScope, first: $first, after: $after, orderBy: $orderBy`

// entityFields are of the resource as it was when the issue was raised.
const entityFields = `entitySnapshot {
        id type nativeType name status cloudPlatform cloudProviderURL providerId region
        subscriptionExternalId subscriptionName externalId
      }`

const (
	issuesDocument = issuesHead + `) { nodes {
      id type url status severity createdAt updatedAt dueAt resolvedAt statusChangedAt resolutionReason resolutionNote
      sourceRule { __typename
        ... on Control { id name controlDescription: description }
        ... on CloudEventRule { id name cloudEventRuleDescription: description sourceType type }
        ... on CloudConfigurationRule { id name cloudConfigurationRuleDescription: description } }
      ` + entityFields + `
      projects { id name slug businessUnit }
      threatDetectionDetails { detections(first: 500) { nodes { id } } }
    }` + pageInfo + `} }`
	issueChangesDocument = issuesHead + `) { nodes {
      id status createdAt statusChangedAt threatDetectionDetails { detections(first: 500) { nodes { id } } }
    }` + pageInfo + `} }`
	issueNotesDocument = issuesHead + `) { nodes { id notes { id } }` + pageInfo + `} }`
)

const issueDocument = `query GetIssue($id: ID!) {
  issue(id: $id) {
    id createdAt updatedAt status severity type url description resolvedAt resolutionReason
    ` + entityFields + `
    projects { id name } sourceRules { id name description }
  }
}`

const notesDocument = `query GetIssueNotes($id: ID!) {
  issue(id: $id) { id notes { id text createdAt updatedAt user { name email } serviceAccount { name } } }
}`

const (
	createNoteDocument = `mutation CreateIssueNote($input: CreateIssueNoteInput!) {
  createIssueNote(input: $input) { issueNote { id createdAt text } }
}`
	deleteNoteDocument = `mutation DeleteIssueNote($input: DeleteIssueNoteInput!) {
  deleteIssueNote(input: $input) { _stub }
}`
	updateIssueDocument = `mutation UpdateIssue($issueId: ID!, $patch: UpdateIssuePatch, $override: UpdateIssuePatch) {
  updateIssue(input: { id: $issueId, patch: $patch, override: $override }) { issue { id status resolutionReason } }
}`
)

type filter map[string]any

func equals(values ...string) filter { return filter{"equals": values} }

// bothTypes must stand in every filter: with any filter the vendor leaves out detections
// that belong to no threat, unless they are asked for.
func bothTypes() filter { return equals("GENERATED_THREAT", "MATCH_ONLY") }

// ascending and descending order by what never changes: a change on the way would move
// items across the edge of a page.
func ascending() filter  { return filter{"field": "CREATED_AT", "direction": "ASC"} }
func descending() filter { return filter{"field": "CREATED_AT", "direction": "DESC"} }

// detections lists detections whole.
func detections(op, document string, by filter, first int, order filter) operation {
	by["type"] = bothTypes()
	return operation{
		op: op, document: document, class: httpx.Read, scope: scopeDetections, licence: licenceDefend,
		variables: map[string]any{"filterBy": by, "first": first, "orderBy": order},
	}
}

// threats lists issues that are threats.
func threats(op, document string, by filter, first int, order filter) operation {
	by["type"] = []string{"THREAT_DETECTION"}
	return operation{
		op: op, document: document, class: httpx.Read, scope: scopeIssues,
		variables: map[string]any{"filterBy": by, "filterScope": "ALL_ISSUE_DETECTIONS", "first": first, "orderBy": order},
	}
}

// between is a filter for a closed interval: the vendor's bounds are exclusive, and how
// finely it compares is not documented, so both give way by a second. A zero time leaves
// that side open; nil is no filter.
func between(from, to time.Time) filter {
	out := filter{}
	if !from.IsZero() {
		out["after"] = timeText(from.Add(-time.Second))
	}
	if !to.IsZero() {
		out["before"] = timeText(to.Add(time.Second))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// severityWords are the vendor's words for severities; nil is no filter.
func severityWords(want []alert.Severity) []string {
	if slices.Contains(want, alert.Unrated) {
		return nil
	}
	var out []string
	for _, m := range Severities() {
		if s, err := alert.ParseSeverity(m.Ours); err == nil && slices.Contains(want, s) {
			out = append(out, m.Vendor)
		}
	}
	return out
}

// statusWords are the vendor's words for statuses; nil is no filter.
func statusWords(want []alert.Status) []string {
	var out []string
	for _, m := range Statuses() {
		if slices.Contains(want, alert.Status(m.Ours)) {
			out = append(out, m.Vendor)
		}
	}
	return out
}
