package carbonblack

import (
	"net/http"
)

// searchGroups counts alerts by threat.
func (v *Vendor) searchGroups(w http.ResponseWriter, r *http.Request) {
	var s search
	if !read(w, r, &s) {
		return
	}
	if s.GroupBy == nil || s.GroupBy.Field != "THREAT_ID" || len(s.Sort) > 0 {
		fail(w, http.StatusBadRequest, "INVALID_ENUM_VALUE", "group_by.field")
		return
	}
	found, err := v.matching(s) // newest first
	if err != nil {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", "The search cannot be read: "+err.Error())
		return
	}
	members, order := map[string][]*alert{}, []string{}
	for _, a := range found {
		if members[a.threat] == nil {
			order = append(order, a.threat)
		}
		members[a.threat] = append(members[a.threat], a)
	}
	from, to, ok := window(w, s.Start, s.Rows, len(order))
	if !ok {
		return
	}
	results := make([]object, 0, to-from)
	for _, id := range order[from:to] {
		results = append(results, v.renderGroup(members[id]))
	}
	writeJSON(w, http.StatusOK, object{"results": results, "num_found": len(order), "num_available": min(len(order), reach), "group_by_total_count": len(found)})
}

func (v *Vendor) renderGroup(as []*alert) object {
	states, verdicts, worst, devices := map[string]int{}, map[string]int{}, 0, map[int64]bool{}
	for _, a := range as {
		states[a.status]++
		verdicts[a.determination]++
		worst, devices[a.device.id] = max(worst, a.severity), true
	}
	return object{
		"count": len(as), "workflow_states": states, "determination_values": verdicts, "ml_classification_final_verdicts": object{},
		"first_alert_timestamp": timeOf(as[len(as)-1].created), "last_alert_timestamp": timeOf(as[0].created), "highest_severity": worst,
		"policy_applied": "NOT_APPLIED", "threat_notes_present": false, "tags": []string{}, "device_count": len(devices), "workload_count": 0,
		"most_recent_alert": v.render(as[0]),
	}
}
