package aws

// ec2Actions are the calls of EC2, those that set a scene included.
func ec2Actions() map[string]action {
	return map[string]action{
		"CreateVpc":                       createVPC,
		"CreateSubnet":                    createSubnet,
		"CreateNetworkInterface":          createNIC,
		"AttachNetworkInterface":          attachNIC,
		"DescribeNetworkInterfaces":       describeNICs,
		"ModifyNetworkInterfaceAttribute": modifyNIC,

		"DescribeNetworkAcls":   describeACLs,
		"CreateNetworkAclEntry": createEntry,
		"DeleteNetworkAclEntry": deleteEntry,

		"CreateSecurityGroup":           createGroup,
		"DeleteSecurityGroup":           deleteGroup,
		"DescribeSecurityGroups":        describeGroups,
		"DescribeSecurityGroupRules":    describeRules,
		"AuthorizeSecurityGroupIngress": authorizeGroup(false),
		"AuthorizeSecurityGroupEgress":  authorizeGroup(true),
		"RevokeSecurityGroupIngress":    revokeGroup(false),
		"RevokeSecurityGroupEgress":     revokeGroup(true),

		"RunInstances":                  runInstances,
		"DescribeInstances":             describeInstances,
		"StopInstances":                 transition("stopped", "stopping", "Client.UserInitiatedShutdown", mayStop),
		"StartInstances":                transition("running", "pending", "", mayStart),
		"TerminateInstances":            transition("terminated", "shutting-down", "Client.UserInitiatedShutdown", mayEnd),
		"DescribeInstanceAttribute":     describeAttribute,
		"ModifyInstanceAttribute":       modifyInstance,
		"ModifyInstanceMetadataOptions": modifyMetadata,

		"CreateSnapshots":   createSnapshots,
		"DescribeSnapshots": describeSnapshots,
		"DescribeTags":      describeTags,
		"CreateTags":        createTags,
		"DeleteTags":        deleteTags,
	}
}
