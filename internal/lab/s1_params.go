package lab

import "strings"

// listParams are the query parameters that every list takes.
func listParams() []string {
	return []string{"limit", "skip", "cursor", "skipCount", "countOnly", "sortBy", "sortOrder"}
}

// threatParams are the names that GET /threats knows: those that the lab evaluates (see threatFilters), and those that it takes
// and ignores. Any other name is a 400, as with the vendor.
func threatParams() map[string]bool {
	known := nameSet(`accountIds siteIds groupIds collectionIds storylines externalTicketIds tenant
		mitigationStatuses mitigationStatusesNin detectionEngines detectionEnginesNin engines enginesNin
		initiatedBy initiatedByNin classifications classificationsNin classificationSources classificationSourcesNin
		osTypesNin osArchs agentMachineTypes agentMachineTypesNin analystVerdictsNin agentVersions agentVersionsNin
		osNames osNamesNin agentTagsData countsFor displayName
		filePath__contains commandLineArguments__contains threatDetails__contains storyline__contains
		originatedProcess__contains publisherName__contains initiatedByUsername__contains externalTicketId__contains
		uuid__contains detectionAgentVersion__contains realtimeAgentVersion__contains detectionAgentDomain__contains
		k8sPodName__contains k8sNodeLabels__contains k8sPodLabels__contains k8sControllerLabels__contains
		k8sNamespaceLabels__contains k8sControllerName__contains k8sNodeName__contains k8sNamespaceName__contains
		k8sClusterName__contains containerName__contains containerImageName__contains containerLabels__contains
		cloudProvider cloudProviderNin cloudAccount__contains cloudImage__contains cloudInstanceId__contains
		cloudInstanceSize__contains cloudLocation__contains cloudNetwork__contains awsRole__contains
		awsSecurityGroups__contains awsSubnetIds__contains azureResourceGroup__contains gcpServiceAccount__contains
		failedActions pendingActions rebootRequired externalTicketExists mitigatedPreemptively agentIsActive hasAgentTags
		resolved`)
	for name := range threatFilters() {
		known[name] = true
	}
	for _, name := range append(listParams(), timeParams("createdAt", "updatedAt")...) {
		known[name] = true
	}
	return known
}

// timeParams are the four bounds of each field.
func timeParams(fields ...string) []string {
	var out []string
	for _, f := range fields {
		for _, op := range []string{"gt", "gte", "lt", "lte"} {
			out = append(out, f+"__"+op)
		}
	}
	return out
}

// agentParams are the names that GET /agents knows.
func agentParams() map[string]bool {
	known := nameSet(`ids uuid uuids computerName computerName__contains networkStatuses networkStatusesNin isActive
		infected osTypes accountIds siteIds groupIds query isDecommissioned isUninstalled
		networkInterfaceInet__contains externalIp__contains lastLoggedInUserName__contains machineTypes agentVersions
		domains uuid__contains adQuery__contains filterId tagsData`)
	for _, name := range append(listParams(), timeParams("createdAt", "updatedAt", "lastActiveDate", "registeredAt")...) {
		known[name] = true
	}
	return known
}

// nameSet is the words of a text as a set.
func nameSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}
