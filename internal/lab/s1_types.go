package lab

// threatJSON is a threat as GET /threats shows it. Every key is always there; what the console does not know is null.
type threatJSON struct {
	ID               string             `json:"id"`
	ThreatInfo       threatInfo         `json:"threatInfo"`
	AgentDetection   agentDetectionInfo `json:"agentDetectionInfo"`
	AgentRealtime    agentRealtimeInfo  `json:"agentRealtimeInfo"`
	Indicators       []indicator        `json:"indicators"`
	MitigationStatus []mitigation       `json:"mitigationStatus"`
	WhiteningOptions []string           `json:"whiteningOptions"`
	ContainerInfo    containerInfo      `json:"containerInfo"`
	KubernetesInfo   kubernetesInfo     `json:"kubernetesInfo"`
}

type threatInfo struct {
	ThreatID                    string        `json:"threatId"`
	ThreatName                  string        `json:"threatName"`
	Classification              string        `json:"classification"`
	ClassificationSource        *string       `json:"classificationSource"`
	ConfidenceLevel             string        `json:"confidenceLevel"`
	AnalystVerdict              string        `json:"analystVerdict"`
	AnalystVerdictDescription   string        `json:"analystVerdictDescription"`
	IncidentStatus              string        `json:"incidentStatus"`
	IncidentStatusDescription   string        `json:"incidentStatusDescription"`
	MitigationStatus            string        `json:"mitigationStatus"`
	MitigationStatusDescription string        `json:"mitigationStatusDescription"`
	CreatedAt                   string        `json:"createdAt"`
	IdentifiedAt                string        `json:"identifiedAt"`
	UpdatedAt                   string        `json:"updatedAt"`
	FilePath                    string        `json:"filePath"`
	FileSize                    int           `json:"fileSize"`
	FileExtension               *string       `json:"fileExtension"`
	FileExtensionType           *string       `json:"fileExtensionType"`
	FileVerificationType        *string       `json:"fileVerificationType"`
	IsFileless                  bool          `json:"isFileless"`
	MD5                         *string       `json:"md5"`
	SHA1                        *string       `json:"sha1"`
	SHA256                      *string       `json:"sha256"`
	PublisherName               *string       `json:"publisherName"`
	CertificateID               *string       `json:"certificateId"`
	IsValidCertificate          *bool         `json:"isValidCertificate"`
	ProcessUser                 *string       `json:"processUser"`
	OriginatorProcess           *string       `json:"originatorProcess"`
	MaliciousProcessArguments   *string       `json:"maliciousProcessArguments"`
	Storyline                   *string       `json:"storyline"`
	DetectionType               string        `json:"detectionType"`
	DetectionEngines            []engineJSON  `json:"detectionEngines"`
	Engines                     []string      `json:"engines"`
	InitiatedBy                 string        `json:"initiatedBy"`
	InitiatedByDescription      string        `json:"initiatedByDescription"`
	InitiatingUserID            *string       `json:"initiatingUserId"`
	InitiatingUsername          *string       `json:"initiatingUsername"`
	RootProcessUPN              *string       `json:"rootProcessUpn"`
	CollectionID                string        `json:"collectionId"`
	CloudFilesHashVerdict       *string       `json:"cloudFilesHashVerdict"`
	ExternalTicketExists        bool          `json:"externalTicketExists"`
	ExternalTicketID            *string       `json:"externalTicketId"`
	FailedActions               bool          `json:"failedActions"`
	PendingActions              bool          `json:"pendingActions"`
	RebootRequired              bool          `json:"rebootRequired"`
	ReachedEventsLimit          bool          `json:"reachedEventsLimit"`
	AutomaticallyResolved       bool          `json:"automaticallyResolved"`
	MitigatedPreemptively       bool          `json:"mitigatedPreemptively"`
	BrowserType                 *string       `json:"browserType"`
	MacroModules                []macroModule `json:"macroModules"`
}

type engineJSON struct {
	Key   string `json:"key"`
	Title string `json:"title"`
}

type macroModule struct {
	ModuleName string `json:"moduleName"`
	SHA1       string `json:"sha1"`
}

// agentDetectionInfo is the agent when it detected.
type agentDetectionInfo struct {
	AgentUUID            string   `json:"agentUuid"`
	AgentVersion         string   `json:"agentVersion"`
	AgentOSName          string   `json:"agentOsName"`
	AgentOSRevision      string   `json:"agentOsRevision"`
	AgentDomain          string   `json:"agentDomain"`
	AgentIPv4            string   `json:"agentIpV4"`
	AgentIPv6            string   `json:"agentIpV6"`
	ExternalIP           string   `json:"externalIp"`
	LastLoggedInUserName *string  `json:"agentLastLoggedInUserName"`
	LastLoggedInUPN      *string  `json:"agentLastLoggedInUpn"`
	LastLoggedInUserMail *string  `json:"agentLastLoggedInUserMail"`
	AgentMitigationMode  string   `json:"agentMitigationMode"`
	AgentDetectionState  *string  `json:"agentDetectionState"`
	AgentRegisteredAt    string   `json:"agentRegisteredAt"`
	AccountID            string   `json:"accountId"`
	AccountName          string   `json:"accountName"`
	SiteID               string   `json:"siteId"`
	SiteName             string   `json:"siteName"`
	GroupID              string   `json:"groupId"`
	GroupName            string   `json:"groupName"`
	CloudProviders       struct{} `json:"cloudProviders"`
}

// agentRealtimeInfo is the agent now.
type agentRealtimeInfo struct {
	AgentID               string     `json:"agentId"`
	AgentUUID             string     `json:"agentUuid"`
	AgentComputerName     string     `json:"agentComputerName"`
	AgentDomain           string     `json:"agentDomain"`
	AgentOSName           string     `json:"agentOsName"`
	AgentOSType           string     `json:"agentOsType"`
	AgentOSRevision       string     `json:"agentOsRevision"`
	AgentVersion          string     `json:"agentVersion"`
	AgentMachineType      string     `json:"agentMachineType"`
	AgentNetworkStatus    string     `json:"agentNetworkStatus"`
	AgentMitigationMode   string     `json:"agentMitigationMode"`
	AgentIsActive         bool       `json:"agentIsActive"`
	AgentInfected         bool       `json:"agentInfected"`
	AgentIsDecommissioned bool       `json:"agentIsDecommissioned"`
	AgentDecommissionedAt *bool      `json:"agentDecommissionedAt"`
	ActiveThreats         int        `json:"activeThreats"`
	NetworkInterfaces     []netIface `json:"networkInterfaces"`
	OperationalState      string     `json:"operationalState"`
	RebootRequired        bool       `json:"rebootRequired"`
	ScanStatus            string     `json:"scanStatus"`
	ScanStartedAt         *string    `json:"scanStartedAt"`
	ScanFinishedAt        *string    `json:"scanFinishedAt"`
	ScanAbortedAt         *string    `json:"scanAbortedAt"`
	UserActionsNeeded     []string   `json:"userActionsNeeded"`
	AccountID             string     `json:"accountId"`
	AccountName           string     `json:"accountName"`
	SiteID                string     `json:"siteId"`
	SiteName              string     `json:"siteName"`
	GroupID               string     `json:"groupId"`
	GroupName             string     `json:"groupName"`
	StorageName           *string    `json:"storageName"`
	StorageType           *string    `json:"storageType"`
}

type netIface struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Physical string   `json:"physical"`
	Inet     []string `json:"inet"`
	Inet6    []string `json:"inet6"`
}

// indicator is a behaviour with its MITRE ATT&CK techniques.
type indicator struct {
	Category    string   `json:"category"`
	CategoryID  *int     `json:"categoryId"`
	Description string   `json:"description"`
	IDs         []int    `json:"ids"`
	Tactics     []tactic `json:"tactics"`
}

type tactic struct {
	Name       string      `json:"name"`
	Source     string      `json:"source"`
	Techniques []technique `json:"techniques"`
}

type technique struct {
	Name string `json:"name"`
	Link string `json:"link"`
}

// mitigation is one action on the threat. The list of them has the name that threatInfo uses for a word.
type mitigation struct {
	Action              string          `json:"action"`
	Status              string          `json:"status"`
	LastUpdate          string          `json:"lastUpdate"`
	MitigationStartedAt string          `json:"mitigationStartedAt"`
	MitigationEndedAt   *string         `json:"mitigationEndedAt"`
	ActionsCounters     *actionCounters `json:"actionsCounters"`
	GroupNotFound       bool            `json:"groupNotFound"`
	AgentSupportsReport bool            `json:"agentSupportsReport"`
	LatestReport        *string         `json:"latestReport"`
	ReportID            *string         `json:"reportId"`
}

type actionCounters struct {
	Total         int `json:"total"`
	Success       int `json:"success"`
	Failed        int `json:"failed"`
	PendingReboot int `json:"pendingReboot"`
	NotFound      int `json:"notFound"`
}

type containerInfo struct {
	ID                    *string  `json:"id"`
	Name                  *string  `json:"name"`
	Image                 *string  `json:"image"`
	Labels                []string `json:"labels"`
	IsContainerQuarantine *bool    `json:"isContainerQuarantine"`
}

type kubernetesInfo struct {
	Cluster               *string  `json:"cluster"`
	Node                  *string  `json:"node"`
	Namespace             *string  `json:"namespace"`
	Pod                   *string  `json:"pod"`
	ControllerName        *string  `json:"controllerName"`
	ControllerKind        *string  `json:"controllerKind"`
	ControllerLabels      []string `json:"controllerLabels"`
	NamespaceLabels       []string `json:"namespaceLabels"`
	NodeLabels            []string `json:"nodeLabels"`
	PodLabels             []string `json:"podLabels"`
	IsContainerQuarantine *bool    `json:"isContainerQuarantine"`
}
