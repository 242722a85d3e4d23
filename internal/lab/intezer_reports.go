package lab

import (
	"fmt"
	"net/http"
	"strings"
)

// subAnalyses is GET /analyses/{id}/sub-analyses; its list is not under result.
func (e *engine) subAnalyses(c call) (reply, error) {
	a, f, err := e.analysed(c)
	if err != nil {
		return reply{}, err
	}
	subs := []map[string]any{{"sub_analysis_id": a.subID(0), "sha256": f.sha256, "source": "root"}}
	if f.verdict == "malicious" {
		subs = append(subs, map[string]any{
			"sub_analysis_id": a.subID(1), "sha256": f.droppedSHA256(), "source": "dynamic_execution",
			"extraction_info": map[string]any{"collected_from": "memory", "processes": []any{map[string]any{
				"process_id": 124, "process_path": f.name, "parent_process_id": 321, "module_path": f.name,
			}}},
		})
	}
	return reply{http.StatusOK, map[string]any{"sub_analyses": subs}}, nil
}

// droppedSHA256 is the hash of what the file leaves in memory.
func (f *file) droppedSHA256() string {
	return strings.ReplaceAll(stableUUID("drop/"+f.sha256)+stableUUID("drop2/"+f.sha256), "-", "")
}

// subFile checks the sub-analysis of a path, which may be the word root.
func (e *engine) subFile(c call) (*file, error) {
	a, f, err := e.analysed(c)
	if err != nil {
		return nil, err
	}
	switch sub := c.r.PathValue("sub"); {
	case sub == "root" || sub == a.subID(0), sub == a.subID(1) && f.verdict == "malicious":
		return f, nil
	}
	return nil, &apiError{status: http.StatusNotFound, title: "Sub analysis was not found"}
}

// codeReuse is GET …/code-reuse: 409 where there is no code.
func (e *engine) codeReuse(c call) (reply, error) {
	f, err := e.subFile(c)
	if err != nil {
		return reply{}, err
	}
	if f.genes == 0 {
		return reply{}, &apiError{status: http.StatusConflict, title: "Code reuse report does not exist"}
	}
	families := []map[string]any{}
	if f.family != "" {
		families = append(families, map[string]any{
			"family_id": f.familyID, "family_name": f.family, "family_type": f.familyType, "reused_gene_count": f.reused,
		})
	}
	geneType := f.kind.geneType
	if geneType == "" {
		geneType = "dotnet_cil"
	}
	return reply{http.StatusOK, map[string]any{
		"common_gene_count": 13, "gene_count": f.genes, "unique_gene_count": f.genes - f.reused, "gene_type": geneType,
		"families": families,
	}}, nil
}

// metadata is GET …/metadata. The optional keys are there for code alone.
func (e *engine) metadata(c call) (reply, error) {
	f, err := e.subFile(c)
	if err != nil {
		return reply{}, err
	}
	m := map[string]any{
		"md5": f.md5, "sha1": f.sha1, "sha256": f.sha256, "size_in_bytes": f.size, "file_type": f.kind.fileType,
		"ssdeep": "24:" + f.sha1[:20] + ":" + f.md5[:12],
	}
	if f.kind.arch != "" {
		m["architecture"], m["compilation_timestamp"] = f.kind.arch, "2024:03:13 23:19:35+00:00"
		m["original_filename"] = f.name
	} else {
		m["indicators"] = []any{map[string]string{"name": "non_executable", "classification": "informative"}}
	}
	return reply{http.StatusOK, m}, nil
}

// iocs is GET /analyses/{id}/iocs. Addresses are of the documentation ranges.
func (e *engine) iocs(c call) (reply, error) {
	a, f, err := e.analysed(c)
	if err != nil {
		return reply{}, err
	}
	var family any
	if f.family != "" {
		family = f.family
	}
	network := []any{}
	if f.verdict == "malicious" {
		octet := f.size % 250
		for _, n := range []struct{ ioc, kind string }{
			{fmt.Sprintf("198.51.100.%d", octet), "ip"},
			{fmt.Sprintf("c2-%d.lab.example", octet), "domain"},
			{fmt.Sprintf("http://c2-%d.lab.example/gate.php", octet), "url"},
		} {
			network = append(network, map[string]any{
				"ioc": n.ioc, "type": n.kind, "source": []string{"Network communication"}, "classification": "suspicious",
			})
		}
	}
	return reply{http.StatusOK, map[string]any{"result": map[string]any{
		"files": []any{map[string]any{
			"analysis_id": a.id, "path": f.name, "sha256": f.sha256, "verdict": f.verdict, "family": family, "type": "main_file",
		}},
		"network": network,
	}}}, nil
}

// ttps is GET /analyses/{id}/dynamic-ttps: only what ran has any.
func (e *engine) ttps(c call) (reply, error) {
	_, f, err := e.analysed(c)
	if err != nil {
		return reply{}, err
	}
	if f.verdict != "malicious" && f.verdict != "suspicious" {
		return reply{}, &apiError{status: http.StatusNotFound, title: "Report not found"}
	}
	item := func(name, description string, severity int, ttp string) map[string]any {
		return map[string]any{
			"name": name, "description": description, "severity": severity,
			"data": []any{map[string]any{"cid": 1, "pid": 124, "type": "call"}},
			"ttps": []any{map[string]string{"name": name, "ttp": ttp}},
		}
	}
	items := []any{item("InjectionInterProcess", "Injects code into another process", 2, "Defense Evasion::Process Injection [T1055]")}
	if f.verdict == "malicious" {
		items = append(items, item("ransomware_shadow_copy", "Deletes shadow copies", 3, "Impact::Inhibit System Recovery [T1490]"))
	}
	return reply{http.StatusOK, map[string]any{"result": items}}, nil
}
