package guardduty

import (
	"encoding/json"
	"errors"
	"strings"
)

// finding is what edrc reads of a GuardDuty finding. The names are those of the API;
// encoding/json takes them in any case, so the spelling of the aws command (AccountId)
// is read as well.
type finding struct {
	AccountID   text     `json:"accountId"`
	ID          text     `json:"id"`
	ARN         text     `json:"arn"`
	Type        text     `json:"type"`
	Region      text     `json:"region"`
	Partition   text     `json:"partition"`
	Severity    number   `json:"severity"`
	Title       text     `json:"title"`
	CreatedAt   stamp    `json:"createdAt"`
	UpdatedAt   stamp    `json:"updatedAt"`
	SequenceARN text     `json:"associatedAttackSequenceArn"`
	Resource    resource `json:"resource"`
	Service     service  `json:"service"`
}

type resource struct {
	ResourceType text `json:"resourceType"`
	AccessKey    struct {
		AccessKeyID text `json:"accessKeyId"`
		UserName    text `json:"userName"`
	} `json:"accessKeyDetails"`
	Instance struct {
		InstanceID text      `json:"instanceId"`
		Platform   text      `json:"platform"`
		Tags       list[tag] `json:"tags"`
	} `json:"instanceDetails"`
	EKSCluster cluster `json:"eksClusterDetails"`
	Kubernetes struct {
		User struct {
			Username text `json:"username"`
		} `json:"kubernetesUserDetails"`
		Workload struct {
			Name      text `json:"name"`
			Namespace text `json:"namespace"`
		} `json:"kubernetesWorkloadDetails"`
	} `json:"kubernetesDetails"`
	ECSCluster struct {
		cluster
		Task cluster `json:"taskDetails"`
	} `json:"ecsClusterDetails"`
	Container struct {
		Name text `json:"name"`
	} `json:"containerDetails"`
	Lambda struct {
		FunctionName text      `json:"functionName"`
		Tags         list[tag] `json:"tags"`
	} `json:"lambdaDetails"`
	RDSInstance struct {
		ID   text      `json:"dbInstanceIdentifier"`
		Tags list[tag] `json:"tags"`
	} `json:"rdsDbInstanceDetails"`
	RDSLimitless struct {
		Tags list[tag] `json:"tags"`
	} `json:"rdsLimitlessDbDetails"`
	S3Buckets list[bucket] `json:"s3BucketDetails"`
	Volumes   struct {
		Scanned list[struct {
			VolumeARN text `json:"volumeArn"`
		}] `json:"scannedVolumeDetails"`
	} `json:"ebsVolumeDetails"`
}

type tag struct {
	Key   text `json:"key"`
	Value text `json:"value"`
}

type cluster struct {
	Name text      `json:"name"`
	Tags list[tag] `json:"tags"`
}

type bucket struct {
	Name    text      `json:"name"`
	Tags    list[tag] `json:"tags"`
	Objects list[struct {
		Key  text `json:"key"`
		Hash text `json:"hash"`
	}] `json:"s3ObjectDetails"`
}

type service struct {
	Archived       flag           `json:"archived"`
	FirstSeen      stamp          `json:"eventFirstSeen"`
	UserFeedback   text           `json:"userFeedback"`
	AdditionalInfo additionalInfo `json:"additionalInfo"`
	Evidence       struct {
		Threats list[struct {
			FileSha256 text `json:"threatFileSha256"`
		}] `json:"threatIntelligenceDetails"`
	} `json:"evidence"`
	VolumeScan struct {
		ScanID     text `json:"scanId"`
		Detections struct {
			ByName struct {
				Shortened flag `json:"shortened"`
				Names     list[struct {
					Files list[scannedFile] `json:"filePaths"`
				}] `json:"threatNames"`
			} `json:"threatDetectedByName"`
		} `json:"scanDetections"`
	} `json:"ebsVolumeScanDetails"`
	MalwareScan struct {
		Threats list[scanThreat] `json:"threats"`
	} `json:"malwareScanDetails"`
	Runtime struct {
		Process process `json:"process"`
		Context struct {
			ThreatFilePath text    `json:"threatFilePath"`
			ModuleName     text    `json:"moduleName"`
			ModuleFilePath text    `json:"moduleFilePath"`
			ModuleSha256   text    `json:"moduleSha256"`
			CommandLine    text    `json:"commandLineExample"`
			Modifying      process `json:"modifyingProcess"`
			Target         process `json:"targetProcess"`
		} `json:"context"`
	} `json:"runtimeDetails"`
	Detection struct {
		Sequence sequence `json:"sequence"`
	} `json:"detection"`
}

type scannedFile struct {
	Path text `json:"filePath"`
	Name text `json:"fileName"`
	Hash text `json:"hash"`
}

// scanThreat is a threat of malwareScanDetails, and of GetMalwareScan.
type scanThreat struct {
	Hash      text `json:"hash"`
	ItemPaths list[struct {
		Path text `json:"nestedItemPath"`
		Hash text `json:"hash"`
	}] `json:"itemPaths"`
	Items list[struct {
		Path text `json:"itemPath"`
		Hash text `json:"hash"`
	}] `json:"itemDetails"`
}

// process is a process with its image. Its lineage has no hashes.
type process struct {
	Name   text `json:"name"`
	Path   text `json:"executablePath"`
	Sha256 text `json:"executableSha256"`
	User   text `json:"user"`
}

// additionalInfo holds JSON inside a JSON string, or directly in some exports.
type additionalInfo struct {
	sample  bool
	threats []string
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (a *additionalInfo) UnmarshalJSON(b []byte) error {
	*a = additionalInfo{}
	a.read(b, 0)
	return nil
}

// read looks for what is of use, whatever stands around it.
func (a *additionalInfo) read(b []byte, depth int) {
	if depth > 4 {
		return
	}
	var inner string
	if json.Unmarshal(b, &inner) == nil {
		a.read([]byte(inner), depth+1)
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil {
		return
	}
	for key, value := range object {
		switch strings.ToLower(key) {
		case "sample":
			var f flag
			_ = f.UnmarshalJSON(value)
			a.sample = a.sample || bool(f)
		case "threatfilesha256":
			var t text
			_ = t.UnmarshalJSON(value)
			a.threats = append(a.threats, string(t))
		default:
			a.read(value, depth+1)
		}
	}
}

// decodeFinding reads one finding. What has no id or no type is none.
func decodeFinding(raw json.RawMessage) (*finding, error) {
	f := &finding{}
	err := json.Unmarshal(raw, f)
	if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !mistyped {
		return nil, err
	}
	if f.Region == "" || f.AccountID == "" {
		f.fromARN()
	}
	switch {
	case f.ID == "":
		return nil, errors.New("it has no id")
	case f.Type == "":
		return nil, errors.New("it has no type")
	case f.Region == "":
		return nil, errors.New("it has no region")
	case f.CreatedAt.IsZero():
		return nil, errors.New("it has no createdAt that can be read")
	}
	if f.UpdatedAt.IsZero() {
		f.UpdatedAt = f.CreatedAt
	}
	return f, nil
}

// fromARN fills in what arn:aws:guardduty:REGION:ACCOUNT:detector/D/finding/F tells.
func (f *finding) fromARN() {
	parts := strings.SplitN(string(f.ARN), ":", 6)
	if len(parts) < 6 {
		return
	}
	if f.Region == "" {
		f.Region = text(parts[3])
	}
	if f.AccountID == "" {
		f.AccountID = text(parts[4])
	}
}

// sample reports a finding that somebody made to see one.
func (f *finding) sample() bool {
	return f.Service.AdditionalInfo.sample || strings.HasPrefix(string(f.Title), "[SAMPLE]")
}
