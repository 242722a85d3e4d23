package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// activityJSON is an activity as GET /activities shows it.
type activityJSON struct {
	AccountID            string     `json:"accountId"`
	AccountName          string     `json:"accountName"`
	ActivityType         int        `json:"activityType"`
	ActivityUUID         string     `json:"activityUuid"`
	AgentID              string     `json:"agentId"`
	AgentUpdatedVersion  *string    `json:"agentUpdatedVersion"`
	Comments             *string    `json:"comments"`
	CreatedAt            string     `json:"createdAt"`
	Data                 uploadJSON `json:"data"`
	Description          *string    `json:"description"`
	GroupID              string     `json:"groupId"`
	GroupName            string     `json:"groupName"`
	Hash                 *string    `json:"hash"`
	ID                   string     `json:"id"`
	OSFamily             *string    `json:"osFamily"`
	PrimaryDescription   string     `json:"primaryDescription"`
	SecondaryDescription string     `json:"secondaryDescription"`
	SiteID               string     `json:"siteId"`
	SiteName             string     `json:"siteName"`
	ThreatID             string     `json:"threatId"`
	UpdatedAt            string     `json:"updatedAt"`
	UserID               *string    `json:"userId"`
}

// uploadJSON is the data of an upload's activity. DownloadURL and FilePath are the same, relative to the API's root; the
// command's id is a number, although it is beyond 2^53.
type uploadJSON struct {
	AccountName                string  `json:"accountName"`
	CommandBatchUUID           string  `json:"commandBatchUuid"`
	CommandID                  int64   `json:"commandId"`
	ComputerName               string  `json:"computerName"`
	DownloadURL                string  `json:"downloadUrl"`
	EscapedProcessArguments    *string `json:"escapedMaliciousProcessArguments"`
	ExternalIP                 string  `json:"externalIp"`
	FileContentHash            string  `json:"fileContentHash"`
	FileDisplayName            string  `json:"fileDisplayName"`
	FilePath                   string  `json:"filePath"`
	FileSize                   int     `json:"fileSize"`
	Filename                   string  `json:"filename"`
	FullScopeDetails           string  `json:"fullScopeDetails"`
	FullScopeDetailsPath       string  `json:"fullScopeDetailsPath"`
	GroupName                  string  `json:"groupName"`
	IPAddress                  *string `json:"ipAddress"`
	RealUser                   *string `json:"realUser"`
	SiteName                   string  `json:"siteName"`
	SourceType                 string  `json:"sourceType"`
	Storyline                  string  `json:"storyline"`
	ThreatClassification       string  `json:"threatClassification"`
	ThreatClassificationSource string  `json:"threatClassificationSource"`
	UploadedFilename           string  `json:"uploadedFilename"`
}

// downloadPath is where an upload is, relative to the API's root.
func (f *fetch) downloadPath() string {
	return fmt.Sprintf("/agents/%s/uploads/%d", f.host.id, f.id)
}

func (s *console) activity(f *fetch) activityJSON {
	h, file := f.host, s.fileOf(&f.threat)
	var info threatInfo
	s.renderInfo(&f.threat, file, h, &info)
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	at := time.UnixMicro(f.done).UTC()
	uploaded := h.name + at.Format("_2006-01-02_15:04:05") + ".zip"
	uuid := stableUUID("upload/" + strconv.FormatInt(f.id, 10))
	return activityJSON{
		AccountID: h.account.id, AccountName: h.account.name, ActivityType: activityUpload, ActivityUUID: uuid, AgentID: h.id,
		CreatedAt: timeText(f.done), UpdatedAt: timeText(f.done), GroupID: h.group.id, GroupName: h.group.name,
		ID: strconv.FormatInt(f.id, 10), SiteID: h.site.id, SiteName: h.site.name, ThreatID: info.ThreatID,
		PrimaryDescription:   fmt.Sprintf("Agent %s (%s) successfully uploaded a threat file.", h.name, h.external),
		SecondaryDescription: fmt.Sprintf("%s (Group ID: %s).", uploaded, h.group.id),
		Data: uploadJSON{
			AccountName: h.account.name, CommandBatchUUID: uuid, CommandID: f.id, ComputerName: h.name,
			DownloadURL: f.downloadPath(), FilePath: f.downloadPath(), ExternalIP: h.external,
			FileContentHash: text(info.SHA1), FileDisplayName: file.name, FileSize: file.size,
			Filename:             h.name + strings.ReplaceAll(at.Format("_2006-01-02_15:04:05.000"), ":", "_") + ".zip",
			FullScopeDetails:     fmt.Sprintf("Group %s in Site %s of Account %s", h.group.name, h.site.name, h.account.name),
			FullScopeDetailsPath: fmt.Sprintf("Global / %s / %s / %s", h.account.name, h.site.name, h.group.name),
			GroupName:            h.group.name, SiteName: h.site.name, SourceType: "API", Storyline: text(info.Storyline),
			ThreatClassification: info.Classification, ThreatClassificationSource: text(info.ClassificationSource),
			UploadedFilename: uploaded,
		},
	}
}
