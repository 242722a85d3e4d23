package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

type object = map[string]any

// render is a finding as the API gives it: camelCase, epoch seconds inside, RFC 3339
// with milliseconds outside, and JSON inside a string in additionalInfo.
func (v *Vendor) render(f *finding) object {
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	detector := digest(v.secret, f.account, f.region)[:32]
	service := object{"serviceName": "guardduty", "detectorId": detector, "archived": f.archived, "count": 1 + f.n%5, "resourceRole": "TARGET",
		"eventFirstSeen": stamp(f.created.Add(-2 * time.Minute)), "eventLastSeen": stamp(f.updated.Add(-time.Minute))}
	if f.feedback != "" {
		service["userFeedback"] = f.feedback
	}
	out := object{"schemaVersion": "2.0", "accountId": f.account, "region": f.region, "partition": "aws", "id": f.id,
		"arn":  v.arn(f),
		"type": f.typ, "severity": f.severity, "title": f.title(), "description": "Simulated: " + f.typ + " on " + f.instanceID(),
		"createdAt": stamp(f.created), "updatedAt": stamp(f.updated)}
	if f.sequence != "" {
		out["associatedAttackSequenceArn"] = strings.Replace(v.arn(f), f.id, f.sequence, 1)
	}
	out["resource"] = f.resource(service)
	out["service"] = service
	return out
}

func (v *Vendor) arn(f *finding) string {
	return fmt.Sprintf("arn:aws:guardduty:%s:%s:detector/%s/finding/%s", f.region, f.account, digest(v.secret, f.account, f.region)[:32], f.id)
}

func (f *finding) title() string {
	title := "The resource " + f.instanceID() + " shows " + f.typ + "."
	switch f.kind {
	case KindKey:
		title = "API calls by " + f.user() + " are unusual."
	case KindObject:
		title = "A malicious object was found in bucket " + f.bucket() + "."
	case KindSequence:
		title = "A potential compromise of a group of EC2 instances."
	case KindSample:
		title = "[SAMPLE] " + title
	}
	return title
}

func (f *finding) hex(what string, n int) string { return digest(what, f.id)[:n] }

// user is whose access key a finding is about: a role or a user.
func (f *finding) user() string {
	if f.person {
		return "deploy"
	}
	return f.host.role
}

func (f *finding) bucket() string { return "uploads-" + f.hex("bucket", 6) }

// instanceID is one of the hosts of its place; a sample has the one that samples have.
func (f *finding) instanceID() string {
	if f.kind == KindSample {
		return "i-99999999"
	}
	return f.host.id
}

func (f *finding) instanceARN() string {
	return "arn:aws:ec2:" + f.region + ":" + f.account + ":instance/" + f.instanceID()
}

// instance is the host as it was when the finding was made.
func (f *finding) instance() object {
	if f.kind != KindSample {
		return f.host.details
	}
	out := maps.Clone(f.host.details)
	out["instanceId"] = f.instanceID()
	return out
}

// accessKey is the credential of a role's session, or of a user.
func (f *finding) accessKey() object {
	if f.person {
		return object{"accessKeyId": f.key, "principalId": idOf("AIDA", (&user{name: f.user()}).arn(f.account)), "userType": "IAMUser", "userName": f.user()}
	}
	return object{"accessKeyId": "ASIA" + strings.ToUpper(f.hex("key", 16)), "principalId": idOf("AROA", f.user()) + ":" + f.host.id,
		"userType": "AssumedRole", "userName": f.user()}
}

// resource is the resource of a finding; what the kind adds to service goes there.
func (f *finding) resource(service object) object {
	switch f.kind {
	case KindRuntime, KindModule:
		f.runtime(service)
		return object{"resourceType": "Instance", "instanceDetails": f.instance()}
	case KindContainer:
		f.runtime(service)
		return object{"resourceType": "Container", "instanceDetails": f.instance(),
			"containerDetails":  object{"id": f.hex("container", 64), "name": "app", "image": "registry.example/app:1.2"},
			"eksClusterDetails": f.cluster(), "kubernetesDetails": object{"kubernetesWorkloadDetails": object{"name": "shop-" + f.hex("pod", 5), "type": "pods", "namespace": "default"}}}
	case KindObject:
		return f.object(service)
	case KindKey:
		service["action"] = object{"actionType": "AWS_API_CALL", "awsApiCallAction": object{"api": "ListBuckets", "serviceName": "s3.amazonaws.com", "callerType": "Remote IP"}}
		return object{"resourceType": "AccessKey", "accessKeyDetails": f.accessKey()}
	case KindCluster:
		service["action"] = object{"actionType": "KUBERNETES_API_CALL", "kubernetesApiCallAction": object{"verb": "create", "requestUri": "/apis/rbac"}}
		return object{"resourceType": "EKSCluster", "eksClusterDetails": f.cluster(),
			"kubernetesDetails": object{"kubernetesUserDetails": object{"username": "system:anonymous", "groups": []string{"system:unauthenticated"}}}}
	case KindSequence:
		f.group(service)
		return object{"resourceType": "AttackSequence"}
	case KindVolume, KindShort:
		f.scan(service)
	case KindSample:
		service["additionalInfo"] = object{"type": "default", "value": `{"sample":true}`}
		fallthrough
	default:
		service["action"] = object{"actionType": "DNS_REQUEST", "dnsRequestAction": object{"domain": "c2.example", "protocol": "UDP", "blocked": false}}
	}
	return object{"resourceType": "Instance", "instanceDetails": f.instance()}
}

func (f *finding) cluster() object {
	return object{"name": "eks-" + f.hex("cluster", 4), "arn": "arn:aws:eks:" + f.region + ":" + f.account + ":cluster/eks", "vpcId": f.host.vpc,
		"status": "ACTIVE", "tags": []object{}, "createdAt": 1735689600.5}
}

// runtime is what Runtime Monitoring saw: the image is named, and what it did.
func (f *finding) runtime(service object) {
	service["featureName"] = "RuntimeMonitoring"
	process := object{"name": "bash", "executablePath": "/usr/bin/bash", "executableSha256": f.image.SHA256, "pid": 4711, "user": "www-data", "userId": 33,
		"startTime": float64(f.created.Unix()), "lineage": []object{{"name": "systemd", "pid": 1, "executablePath": "/usr/lib/systemd/systemd"}}}
	context := object{}
	switch f.kind {
	case KindRuntime:
		context["threatFilePath"] = "/tmp/" + f.file.Name
		service["evidence"] = object{"threatIntelligenceDetails": []object{{"threatListName": "Amazon", "threatNames": []string{"Trojan"}, "threatFileSha256": strings.ToUpper(f.file.SHA256)}}}
	case KindModule:
		context = object{"moduleName": "rootkit", "moduleFilePath": "/lib/modules/" + f.file.Name, "moduleSha256": f.file.MD5}
		process["executableSha256"] = "not a digest" // seen in the wild
	}
	service["runtimeDetails"] = object{"process": process, "context": context}
}

// scan is what Malware Protection found on a volume.
func (f *finding) scan(service object) {
	service["featureName"] = "EbsVolumeScan"
	path := object{"filePath": "var/www/" + f.file.Name, "fileName": f.file.Name, "hash": f.file.SHA256, "volumeArn": "arn:aws:ec2:" + f.region + ":" + f.account + ":volume/vol-0" + f.hex("vol", 16)}
	service["ebsVolumeScanDetails"] = object{"scanId": f.scanID(), "scanType": "GUARDDUTY_INITIATED", "scanStartedAt": float64(f.created.Unix()), "scanCompletedAt": float64(f.created.Unix() + 60),
		"scanDetections": object{"threatDetectedByName": object{"itemCount": 1, "uniqueThreatNameCount": 1, "shortened": f.kind == KindShort,
			"threatNames": []object{{"name": "Trojan.Generic", "severity": "HIGH", "itemCount": 1, "filePaths": []object{path}}}}}}
}

// renderScan is the answer of GetMalwareScan: what the finding shows, and what was cut off.
func (v *Vendor) renderScan(f *finding) object {
	arn := "arn:aws:ec2:" + f.region + ":" + f.account + ":instance/" + f.instanceID()
	items := func(name, hash string) []object {
		return []object{{"resourceArn": arn, "itemPath": "var/www/" + name, "hash": hash}}
	}
	return object{"scanId": f.scanID(), "resourceArn": arn, "resourceType": "EC2_INSTANCE", "scanStatus": "COMPLETED", "scanStartedAt": float64(f.created.Unix()),
		"scanResultDetails": object{"scanResultStatus": "THREATS_FOUND", "uniqueThreatCount": 2, "threats": []object{
			{"name": "Trojan.Generic", "source": "AMAZON", "count": 1, "hash": f.file.SHA256, "itemDetails": items(f.file.Name, f.file.SHA256)},
			{"name": "Trojan.Second", "source": "BITDEFENDER", "count": 1, "hash": f.image.SHA256, "itemDetails": items(f.image.Name, f.image.SHA256)}}}}
}

// object is what Malware Protection for S3 found.
func (f *finding) object(service object) object {
	service["featureName"] = "S3MalwareProtection"
	arn := "arn:aws:s3:::" + f.bucket()
	service["malwareScanDetails"] = object{"threats": []object{{"name": "Trojan.Generic", "source": "AMAZON", "count": 1, "itemPaths": []object{{"nestedItemPath": f.file.Name, "hash": f.file.SHA256}}}}}
	return object{"resourceType": "S3Object", "s3BucketDetails": []object{{"arn": arn, "name": f.bucket(), "type": "Destination", "createdAt": 1735689600.0,
		"owner": object{"id": "CanonicalId"}, "tags": []object{}, "s3ObjectDetails": []object{{"objectArn": arn + "/in/" + f.file.Name, "key": "in/" + f.file.Name, "hash": f.file.SHA256, "versionId": "v1"}}}}}
}

// group is an attack sequence: all it says is below service.detection.
func (f *finding) group(service object) {
	var signals, resources []object
	for _, s := range f.signals {
		at := float64(s.created.UnixMilli()) / 1000
		signals = append(signals, object{"uid": s.id, "type": "FINDING", "name": s.typ, "description": s.title(), "severity": s.severity, "count": 1,
			"createdAt": at, "updatedAt": at, "firstSeenAt": at, "lastSeenAt": at, "resourceUids": []string{s.instanceARN()},
			"signalIndicators": []object{{"key": "MALICIOUS_FILE", "values": []string{"/tmp/" + s.file.Name}, "title": "Malicious file"}}})
		resources = append(resources, object{"uid": s.instanceARN(), "name": s.host.name, "accountId": s.account, "region": s.region, "resourceType": "EC2_INSTANCE",
			"service": "ec2", "cloudPartition": "aws", "tags": []object{}, "data": object{"ec2Instance": object{"instanceState": "running",
				"IamInstanceProfile": object{"arn": s.host.profile, "id": idOf("AIPA", s.host.profile)}}}})
	}
	resources = append(resources, object{"uid": f.host.profile, "name": f.host.profile[strings.LastIndexByte(f.host.profile, '/')+1:], "accountId": f.account, "region": f.region,
		"resourceType": "IAM_INSTANCE_PROFILE", "data": object{"iamInstanceProfile": object{"ec2InstanceUids": []string{f.instanceID()}}}})
	service["detection"] = object{"sequence": object{"uid": f.id, "description": "Several instances ran the same malicious file.",
		"actors":    []object{{"id": "a1", "process": object{"name": "bash", "path": "/usr/bin/bash", "sha256": f.image.SHA256}}},
		"resources": resources, "endpoints": []object{{"id": "e1", "ip": "198.51.100.9", "port": 443}}, "signals": signals,
		"sequenceIndicators": []object{{"key": "ATTACK_TECHNIQUE", "values": []string{"T1496", "T1059.004"}, "title": "Techniques"}, {"key": "ATTACK_TACTIC", "values": []string{"Impact"}, "title": "Tactics"}}}}
}

// Export gives every finding that the first account's detector in a region shows, as its
// API would: for files that people export.
func (v *Vendor) Export(region string) []json.RawMessage {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []json.RawMessage
	for _, f := range v.order {
		if d := v.detectors[place{v.own.Accounts[0], region}]; d != nil && d.shows(f) {
			raw, _ := json.Marshal(v.render(f)) // maps of plain values cannot fail
			out = append(out, raw)
		}
	}
	return out
}
