package lab

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// agentJSON is an agent as GET /agents shows it.
type agentJSON struct {
	ID                       string          `json:"id"`
	UUID                     string          `json:"uuid"`
	ComputerName             string          `json:"computerName"`
	Domain                   string          `json:"domain"`
	OSType                   string          `json:"osType"`
	OSName                   string          `json:"osName"`
	OSArch                   string          `json:"osArch"`
	OSRevision               string          `json:"osRevision"`
	OSUsername               *string         `json:"osUsername"`
	AgentVersion             string          `json:"agentVersion"`
	MachineType              string          `json:"machineType"`
	NetworkStatus            string          `json:"networkStatus"`
	NetworkQuarantineEnabled bool            `json:"networkQuarantineEnabled"`
	IsActive                 bool            `json:"isActive"`
	Infected                 bool            `json:"infected"`
	ActiveThreats            int             `json:"activeThreats"`
	IsDecommissioned         bool            `json:"isDecommissioned"`
	IsUninstalled            bool            `json:"isUninstalled"`
	IsPendingUninstall       bool            `json:"isPendingUninstall"`
	IsUpToDate               bool            `json:"isUpToDate"`
	LastActiveDate           string          `json:"lastActiveDate"`
	LastLoggedInUserName     string          `json:"lastLoggedInUserName"`
	ExternalIP               string          `json:"externalIp"`
	LastIPToMgmt             string          `json:"lastIpToMgmt"`
	GroupIP                  string          `json:"groupIp"`
	NetworkInterfaces        []netIface      `json:"networkInterfaces"`
	ActiveDirectory          activeDirectory `json:"activeDirectory"`
	CloudProviders           struct{}        `json:"cloudProviders"`
	AccountID                string          `json:"accountId"`
	AccountName              string          `json:"accountName"`
	SiteID                   string          `json:"siteId"`
	SiteName                 string          `json:"siteName"`
	GroupID                  string          `json:"groupId"`
	GroupName                string          `json:"groupName"`
	MitigationMode           string          `json:"mitigationMode"`
	MitigationModeSuspicious string          `json:"mitigationModeSuspicious"`
	ScanStatus               string          `json:"scanStatus"`
	ScanStartedAt            *string         `json:"scanStartedAt"`
	ScanFinishedAt           *string         `json:"scanFinishedAt"`
	ScanAbortedAt            *string         `json:"scanAbortedAt"`
	SerialNumber             *string         `json:"serialNumber"`
	ModelName                string          `json:"modelName"`
	RegisteredAt             string          `json:"registeredAt"`
	CreatedAt                string          `json:"createdAt"`
	UpdatedAt                string          `json:"updatedAt"`
	Tags                     agentTags       `json:"tags"`
	UserActionsNeeded        []string        `json:"userActionsNeeded"`
	DetectionState           *string         `json:"detectionState"`
	OperationalState         string          `json:"operationalState"`
	CoreCount                int             `json:"coreCount"`
	CPUCount                 int             `json:"cpuCount"`
	TotalMemory              int             `json:"totalMemory"`
}

type activeDirectory struct {
	ComputerDistinguishedName *string  `json:"computerDistinguishedName"`
	ComputerMemberOf          []string `json:"computerMemberOf"`
	LastUserDistinguishedName *string  `json:"lastUserDistinguishedName"`
	LastUserMemberOf          []string `json:"lastUserMemberOf"`
}

type agentTags struct {
	SentinelOne []agentTag `json:"sentinelone"`
}

type agentTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (s *console) agent(h *host) agentJSON {
	now := s.now()
	seen := now - minute
	if !h.online {
		seen = s.started - 26*hour
	}
	return agentJSON{
		ID: h.id, UUID: h.uuid, ComputerName: h.name, Domain: "WORKGROUP", OSType: h.os, OSName: h.osName, OSArch: "64 bit",
		OSRevision: h.revision, AgentVersion: h.version, MachineType: h.machine, NetworkStatus: h.network,
		IsActive: h.online, IsUpToDate: true, LastActiveDate: timeText(seen), LastLoggedInUserName: h.user,
		ExternalIP: h.external, LastIPToMgmt: h.ip, GroupIP: h.external[:strings.LastIndex(h.external, ".")] + ".x",
		NetworkInterfaces: h.interfaces(),
		ActiveDirectory:   activeDirectory{ComputerMemberOf: []string{}, LastUserMemberOf: []string{}},
		AccountID:         h.account.id, AccountName: h.account.name, SiteID: h.site.id, SiteName: h.site.name,
		GroupID: h.group.id, GroupName: h.group.name,
		MitigationMode: "protect", MitigationModeSuspicious: "detect", ScanStatus: "finished", ScanFinishedAt: orNull(timeText(h.registered + hour)), ModelName: "Lab - Virtual Machine",
		RegisteredAt: timeText(h.registered), CreatedAt: timeText(h.registered), UpdatedAt: timeText(seen),
		Tags:              agentTags{SentinelOne: []agentTag{{Key: "owner", Value: h.user}}},
		UserActionsNeeded: []string{}, OperationalState: "na", CoreCount: 4, CPUCount: 4, TotalMemory: 16384,
	}
}

// listAgents is GET /agents. Whoever looks at an agent whose network state is changing sees it change: once the old state,
// then the new one. An agent that is offline does not get there.
func (s *console) listAgents(r *http.Request) (any, error) {
	params, err := s.knownOnly(r, s.agentParams)
	if err != nil {
		return nil, err
	}
	p, err := newPage(params, []string{"id", "computerName", "createdAt", "updatedAt", "registeredAt"}, s.clock())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var hosts []*host
	for _, h := range s.hosts {
		ok, err := h.matches(params)
		if err != nil {
			return nil, err
		}
		if ok {
			hosts = append(hosts, h)
		}
	}
	slices.SortFunc(hosts, func(a, b *host) int { return strings.Compare(a.id, b.id) })
	hosts, pages := slicePage(p, hosts, func(h *host) (int64, int64) { return 0, idNumber(h.id) }, s.clock())
	out := make([]agentJSON, len(hosts))
	for i, h := range hosts {
		h.settle()
		out[i] = s.agent(h)
	}
	return list{Data: out, Pagination: pages}, nil
}

// settle moves a changing state on at the second look.
func (h *host) settle() {
	if !h.online || (h.network != "disconnecting" && h.network != "connecting") {
		return
	}
	if !h.polled {
		h.polled = true
		return
	}
	h.network = strings.TrimSuffix(h.network, "ing") + "ed"
}

// matches evaluates the filters of GET /agents; those that it does not name are taken and ignored.
func (h *host) matches(params map[string]string) (bool, error) {
	for name, text := range params {
		values := strings.Split(text, ",")
		has := func(v string) bool { return slices.Contains(values, v) }
		part := func(of string) bool {
			return slices.ContainsFunc(values, func(v string) bool { return containsFold(of, v) })
		}
		ok, err := true, error(nil)
		switch name {
		case "ids":
			ok = has(h.id)
		case "uuid", "uuids":
			ok = has(h.uuid)
		case "computerName":
			ok = strings.EqualFold(h.name, text)
		case "computerName__contains":
			ok = part(h.name)
		case "query":
			ok = containsFold(h.name, text) || h.uuid == text || h.ip == text || h.external == text
		case "networkStatuses":
			ok = has(h.network)
		case "networkStatusesNin":
			ok = !has(h.network)
		case "osTypes":
			ok = has(h.os)
		case "accountIds":
			ok = has(h.account.id)
		case "siteIds":
			ok = has(h.site.id)
		case "groupIds":
			ok = has(h.group.id)
		case "networkInterfaceInet__contains":
			ok = part(h.ip)
		case "externalIp__contains":
			ok = part(h.external)
		case "isActive":
			var want bool
			want, err = parseBool(text)
			ok = want == h.online
		}
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// postNetwork is POST /agents/actions/disconnect and connect: the command is queued, which is not yet done.
func (s *console) postNetwork(state string) handler {
	goal := strings.TrimSuffix(state, "ing") + "ed"
	return func(r *http.Request) (any, error) {
		_, filter, err := readBulk[struct{}](r)
		if err != nil {
			return nil, err
		}
		if filter["ids"] == "" && filter["groupIds"] == "" { // or a saved filter, of which the lab has none
			return nil, badRequest("filter: this action requires one of ids, groupIds, filterId")
		}
		for name := range filter {
			if !s.agentParams[name] {
				return nil, badRequest("filter.%s: unknown field", name)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for _, h := range s.hosts {
			ok, err := h.matches(filter)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			n++
			if h.network != goal && h.network != state {
				h.network, h.polled = state, false
			}
		}
		return affected(n), nil
	}
}

// idNumber is an id as a sort key.
func idNumber(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}
